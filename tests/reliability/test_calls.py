"""Calls to the disk that fail; planted bugs show that a wrong reaction would be seen."""

from __future__ import annotations

import pytest

from reliability import calls


def test_a_call_that_fails_is_an_error_and_nothing_is_lost() -> None:
    record = calls.run(count=25, seed=2)

    assert list(record.violations) == []
    assert record.counts["failed calls"] == 25


@pytest.mark.parametrize("bug", calls.BUGS)
def test_a_planted_bug_is_seen(bug: str) -> None:
    assert calls.catch(bug, seed=1) is not None


@pytest.mark.deep
@pytest.mark.timeout(3_600)
def test_every_call_that_fails_is_an_error_and_nothing_is_lost() -> None:
    record = calls.run(count=0, seed=1)

    assert list(record.violations) == []
    assert record.counts["failed calls"] > 4_000
