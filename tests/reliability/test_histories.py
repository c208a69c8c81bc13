"""What concurrent clients of a server were told, over a kill, has an order that a plain map explains."""

from __future__ import annotations

import pytest

from reliability import histories

HISTORIES = 6
DEEP_HISTORIES = 100


def test_histories_over_a_kill_are_linearizable() -> None:
    record = histories.run(HISTORIES, seed=1)
    assert record.violations == []
    assert record.counts["operations"] > 50 * HISTORIES
    assert record.counts["operations cut by a kill"] > 0


@pytest.mark.parametrize("bug", histories.BUGS)
def test_a_planted_bug_is_seen(bug: str) -> None:
    assert histories.catch(bug, seed=1) is not None


@pytest.mark.deep
@pytest.mark.timeout(1_800)
def test_a_hundred_histories_are_linearizable() -> None:
    assert histories.run(DEEP_HISTORIES, seed=1_000).violations == []
