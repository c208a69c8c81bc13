"""Clients that break off, repeat and crowd find each request done wholly or not at all, and once."""

from __future__ import annotations

import pytest

from reliability import clients

SECONDS = 5
DEEP_SECONDS = 60
DEEP_CROWD = 100


def test_requests_happen_once_and_whole() -> None:
    record = clients.run(SECONDS, seed=1)
    assert record.violations == []
    assert record.counts["answers lost"] > 0
    assert record.counts["requests doubled"] > 0
    assert record.counts["writes of the crowd"] > 0


@pytest.mark.parametrize("bug", clients.BUGS)
def test_a_planted_bug_is_seen(bug: str) -> None:
    assert clients.catch(bug, seed=1) is not None


@pytest.mark.deep
@pytest.mark.timeout(600)
def test_a_hundred_writers_and_a_hundred_readers() -> None:
    assert clients.run(DEEP_SECONDS, seed=2, size=DEEP_CROWD).violations == []
