"""Requests that find no memory for an array are answered so, and leave nothing half done."""

from __future__ import annotations

from reliability import allocations


def test_any_array_may_fail() -> None:
    trial = allocations.try_all(100)
    assert trial.violations == []
    assert trial.counts["answers 503"] >= 10


def test_a_planted_bug_is_seen() -> None:
    assert allocations.catch(allocations.BUGS[0], 1) is not None
