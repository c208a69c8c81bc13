"""A server under mixed load that is killed again and again keeps what it acknowledged, and nothing else."""

from __future__ import annotations

import pytest

from reliability import kills

CYCLES = 25
DEEP_CYCLES = 500


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(8))
def test_two_hundred_kills_lose_nothing(seed: int) -> None:
    found = kills.run_lane(seed, CYCLES)
    assert found.violations == []
    assert found.counts["kills"] == CYCLES
    assert found.counts["acknowledged writes"] > CYCLES
    assert found.counts["index builds begun"] > 0


@pytest.mark.parametrize("bug", kills.BUGS)
def test_a_planted_bug_is_seen(bug: str) -> None:
    assert kills.catch(bug, seed=1) is not None


@pytest.mark.deep
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("seed", [1_001, 1_002])
def test_a_thousand_kills_lose_nothing(seed: int) -> None:
    assert kills.run_lane(seed, DEEP_CYCLES).violations == []
