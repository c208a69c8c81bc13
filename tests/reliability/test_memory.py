"""Requests leave nothing behind in memory, and those that would take too much of it are refused."""

from __future__ import annotations

import pytest

from reliability import memory


def test_requests_and_deleted_libraries_leave_nothing_behind() -> None:
    assert memory.growth(1_200, seed=1) == []


def test_hostile_requests_do_not_take_more_than_the_limit() -> None:
    assert memory.refusals(16) == []


@pytest.mark.parametrize("bug", memory.BUGS)
def test_a_planted_bug_is_seen(bug: str) -> None:
    assert memory.catch(bug, seed=1) is not None


@pytest.mark.deep
@pytest.mark.timeout(1_800)
def test_a_hundred_thousand_requests_leave_less_than_a_mebibyte() -> None:
    assert memory.run(100_000, seed=1).violations == []
