"""The short form of the rig of bad inputs: every row that is answered at once, and the planted bugs."""

from __future__ import annotations

import pytest

from reliability.inputs import BUGS, ROWS, SLOW_ROWS, catch, numbers_of, quick_rows, throw

OF_ARCHIVES = {57, 58}
PATIENCE = 5.0
"""Tests share their machine; the command holds answers to their second."""
LONG = ("door.free_metrics", "door.rights_forgotten")


def test_every_row_of_the_list_is_there() -> None:
    covered = set().union(*(numbers_of(row) for row in ROWS.values()))

    assert covered == set(range(1, 61)) - OF_ARCHIVES


def test_bad_inputs_have_their_answers_and_change_nothing() -> None:
    counts, violations = throw(quick_rows(), slow=False, patience=PATIENCE)

    assert violations == []
    assert counts["rows"] == 58 - len(SLOW_ROWS)
    assert counts["inputs"] > 240


@pytest.mark.parametrize("bug", [pytest.param(bug, marks=[pytest.mark.deep] * (bug in LONG)) for bug in BUGS])
def test_a_planted_bug_is_seen(bug: str) -> None:
    assert catch(bug, 1) is not None


@pytest.mark.deep
def test_slow_clients_are_refused() -> None:
    assert throw([], slow=True, patience=PATIENCE)[1] == []
