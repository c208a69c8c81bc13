"""Whatever is done to a library, restarts and crashes included, it answers as a dict and brute force do."""

from __future__ import annotations

import pytest

from reliability import model

STEPS = 5_000


def test_a_library_answers_as_its_twin() -> None:
    record = model.run(STEPS, seed=1)
    assert record.violations == []
    assert record.counts["steps"] >= STEPS
    assert {"restart", "crash", "merge", "rebuild", "purge", "batch", "search"} <= record.counts.keys()


@pytest.mark.parametrize("bug", model.BUGS)
def test_a_planted_bug_is_seen(bug: str) -> None:
    assert model.catch(bug, seed=1) is not None


@pytest.mark.deep
@pytest.mark.timeout(3_600)
def test_a_hundred_thousand_steps() -> None:
    assert model.run(100_000, seed=2).violations == []
