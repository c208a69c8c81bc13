"""A server that is told to end answers what it accepted, keeps what it answered, and ends well."""

from __future__ import annotations

import pytest

from reliability import drain

DRAINS = 4
DEEP_DRAINS = 50


def test_nothing_that_was_accepted_is_dropped() -> None:
    record = drain.run(DRAINS, seed=1)
    assert record.violations == []
    assert record.counts["acknowledged writes"] > DRAINS


@pytest.mark.parametrize("bug", drain.BUGS)
def test_a_planted_bug_is_seen(bug: str) -> None:
    assert drain.catch(bug, seed=1) is not None


@pytest.mark.deep
@pytest.mark.timeout(1_200)
def test_fifty_drains() -> None:
    assert drain.run(DEEP_DRAINS, seed=2).violations == []
