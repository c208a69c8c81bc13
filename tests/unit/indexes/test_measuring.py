"""What is measured when an index is built: curves, scans, and how sure they are."""

from __future__ import annotations

import numpy as np
import pytest

from quiredb.indexes import build_flat, build_graph
from quiredb.indexes.measuring import MASKED_SHARES, NEIGHBOURS, Sample, effort_curve, lower_bound, measure
from tests.unit.indexes.samples import clustered


def test_the_effort_curve_rises_to_the_truth() -> None:
    flat = build_flat(clustered(4000, 48), "cosine")
    graph = build_graph(flat, degree=12, build_effort=40)
    points = effort_curve(graph, flat, Sample(clustered(200, 48, seed=7), None), 1.0, k=10).points
    efforts = [point.effort for point in points]
    assert efforts == sorted(efforts)
    assert points[-1].recall > 0.97
    assert points[-1].recall >= points[0].recall
    assert all(point.seconds > 0 for point in points)


def test_the_bound_is_below_the_mean_and_closes_in_with_more_queries() -> None:
    random = np.random.default_rng(1)
    bounds = []
    for count in (50, 500, 5000):
        shares = random.binomial(10, 0.95, count) / 10
        bounds.append(lower_bound(shares))
        assert bounds[-1] < shares.mean()
    assert bounds == sorted(bounds)
    assert lower_bound(np.ones(300)) < 1


def test_the_bound_holds_for_nineteen_samples_of_twenty() -> None:
    random = np.random.default_rng(2)
    held = [lower_bound(random.binomial(10, 0.97, 300) / 10) <= 0.97 for _ in range(2000)]
    assert np.mean(held) >= 0.94


def test_a_flat_index_has_no_curves() -> None:
    flat = build_flat(clustered(400, 8), "l2")
    measured = measure(flat, flat)
    assert measured.curves == ()
    assert measured.scan_seconds > 0


def test_every_class_and_k_is_measured() -> None:
    flat = build_flat(clustered(3000, 16), "l2")
    measured = measure(flat, build_graph(flat, degree=12, build_effort=30))
    assert [(curve.share, curve.k) for curve in measured.curves] == [
        (share, k) for share in (1.0, *MASKED_SHARES) for k in NEIGHBOURS
    ]
    assert [share for share, _ in measured.masked_scans] == sorted(share for share, _ in measured.masked_scans)


def test_measuring_can_be_stopped() -> None:
    flat = build_flat(clustered(500, 8), "l2")

    def stop() -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        measure(flat, build_graph(flat, degree=8, build_effort=16), check=stop)
