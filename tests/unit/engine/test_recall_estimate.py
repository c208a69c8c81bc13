"""The interval of a recall that was measured."""

from __future__ import annotations

import numpy as np

from quiredb.engine.recall import estimate_recall


def test_the_interval_of_an_estimate() -> None:
    flawless = [estimate_recall([1.0] * count, [10] * count) for count in (1, 10, 100, 1_000)]
    assert all(one.recall == one.high == 1.0 for one in flawless)
    assert [one.low for one in flawless] == sorted(one.low for one in flawless)
    assert flawless[0].low < 0.8 and 0.99 < flawless[2].low < 1
    assert estimate_recall([1.0] * 100, [1] * 100).low < flawless[2].low, "a miss of one neighbour weighs more"
    shares = np.random.default_rng(1).binomial(10, 0.9, (400, 200)) / 10
    estimates = [estimate_recall(some.tolist(), [10] * 200) for some in shares]
    covered = np.mean([one.low <= 0.9 <= one.high for one in estimates])
    assert 0.92 <= covered <= 0.99
