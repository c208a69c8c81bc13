"""The interval of a recall that was measured."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest

from quiredb.domain.indexing import RecallEstimate
from quiredb.engine.recall import estimate_recall


def estimated(shares: Sequence[float], k: int = 10) -> RecallEstimate:
    return estimate_recall(Counter((share, k) for share in shares))


def test_the_interval_of_an_estimate() -> None:
    flawless = [estimated([1.0] * count) for count in (1, 10, 100, 1_000)]
    assert all(one.recall == one.high == 1.0 for one in flawless)
    assert [one.low for one in flawless] == sorted(one.low for one in flawless)
    assert flawless[0].low < 0.8 and 0.99 < flawless[2].low < 1
    assert estimated([1.0] * 100, 1).low < flawless[2].low, "a miss of one neighbour weighs more"
    shares = np.random.default_rng(1).binomial(10, 0.9, (400, 200)) / 10
    estimates = [estimated(some.tolist()) for some in shares]
    covered = np.mean([one.low <= 0.9 <= one.high for one in estimates])
    assert 0.92 <= covered <= 0.99


@pytest.mark.parametrize("count", [1, 2, 7, 100, 501])
def test_counted_searches_are_estimated_like_a_list_of_them(count: int) -> None:
    random = np.random.default_rng(count)
    ks = random.choice([1, 3, 10, 50], count)
    shares = random.binomial(ks, 0.95) / ks
    doubted = np.array([*shares, min(max(0.0, 1 - 2 / statistics.median(ks.tolist())), *shares)])
    margin = 1.96 * doubted.std() / np.sqrt(len(doubted))
    found = estimate_recall(Counter(zip(shares.tolist(), ks.tolist(), strict=True)))
    assert found.queries == count
    assert found.recall == pytest.approx(shares.mean())
    assert found.low == pytest.approx(max(0.0, doubted.mean() - margin))
    assert found.high == pytest.approx(min(1.0, doubted.mean() + margin))
