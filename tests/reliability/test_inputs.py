"""The short form of the rig of bad inputs: every row that a server answers at once, and the planted bugs."""

from __future__ import annotations

import pytest

from reliability.archives.hostile import HARMLESS, TAMPERED
from reliability.inputs import BUGS, ROWS, SLOW_ROWS, catch, numbers_of, quick_rows, throw

OF_COMMANDS = {57, 58}
"""A process for each input takes long; the rig of backups tries the same in one process in every run."""
PATIENCE = 5.0
"""Tests share their machine; the command holds answers to their second."""
LONG = ("door.free_metrics", "door.rights_forgotten", "backup.trust_names", "backup.skip_proof")


def test_every_row_of_the_list_is_there() -> None:
    covered = set().union(*(numbers_of(row) for row in ROWS.values()))

    assert covered == set(range(1, 61))


def test_bad_inputs_have_their_answers_and_change_nothing() -> None:
    rows = [row for row in quick_rows() if row not in OF_COMMANDS]

    counts, violations = throw(rows, slow=False, patience=PATIENCE)

    assert violations == []
    assert counts["rows"] == 60 - len(SLOW_ROWS) - len(OF_COMMANDS)
    assert counts["inputs"] > 240


@pytest.mark.parametrize("bug", [pytest.param(bug, marks=[pytest.mark.deep] * (bug in LONG)) for bug in BUGS])
def test_a_planted_bug_is_seen(bug: str) -> None:
    assert catch(bug, 1) is not None


@pytest.mark.deep
def test_archives_are_refused_by_the_command() -> None:
    counts, violations = throw(sorted(OF_COMMANDS), slow=False, patience=PATIENCE)

    assert violations == []
    assert counts["inputs"] > len(TAMPERED) + len(HARMLESS), "each of them, and flipped bits"


@pytest.mark.deep
def test_slow_clients_are_refused() -> None:
    assert throw([], slow=True, patience=PATIENCE)[1] == []
