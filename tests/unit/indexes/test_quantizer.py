"""Codes against the plain quantiser, and the bound that makes `flat` exact, on vectors chosen to break it."""

from __future__ import annotations

import numpy as np
import pytest

from quiredb.indexes import build_flat
from tests.reference import quantizer
from tests.unit.indexes.samples import METRICS, adversarial, clustered


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dimension", [1, 7, 64, 100])
def test_codes_and_factors_equal_the_plain_quantiser(metric: str, dimension: int) -> None:
    vectors = clustered(300, dimension)
    index = build_flat(vectors, metric)
    assert index.codes.shape[1] % 64 == 0
    assert not index.codes[:, dimension:].any()
    for row in range(0, 300, 7):
        expected = quantizer.encode_row(vectors[row], index.centre, metric)
        assert np.abs(index.codes[row, :dimension].astype(int) - expected.codes).max() <= 1
        assert (index.codes[row, :dimension] != expected.codes).mean() < 0.05
        assert index.factors[row, 1] == pytest.approx(-expected.scale * (1.0 if metric == "l2" else 0.5), rel=1e-6)
        squared = (expected.original**2).sum() if metric == "l2" else 0.0
        assert index.factors[row, 0] == pytest.approx(squared, rel=1e-6)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("name", adversarial(1))
def test_stored_errors_and_radii_are_upper_bounds(metric: str, name: str) -> None:
    vectors = adversarial(33)[name]
    index = build_flat(vectors, metric)
    for row in range(len(vectors)):
        y = quantizer.normalised(vectors[row], metric) - index.centre.astype(np.float64)
        scale = float(-index.factors[row, 1]) * (1.0 if metric == "l2" else 2.0)
        decoded = scale * (index.codes[row, :33].astype(np.float64) - 127.5)
        assert np.linalg.norm(y - decoded) <= index.errors[row]
        assert np.linalg.norm(y) <= index.radii[row]


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("name", adversarial(1))
def test_an_estimate_is_never_farther_from_the_truth_than_its_bound(metric: str, name: str) -> None:
    vectors = adversarial(48)[name]
    centre = build_flat(vectors, metric).centre
    queries = adversarial(48, seed=9)[name]
    for query in queries[::80]:
        coded_query = quantizer.encode_query(query, centre, metric)
        for x in vectors[::5]:
            row = quantizer.encode_row(x, centre, metric)
            true = quantizer.true_score(row, coded_query, metric)
            allowance = 1e-9 * (abs(true) + abs(coded_query.base) + float((row.original**2).sum()))
            gap = abs(quantizer.estimate(row, coded_query, metric) - true)
            assert gap <= quantizer.bound(row, coded_query, metric) + allowance


def test_a_far_outlier_does_not_drag_the_centre_away() -> None:
    vectors = clustered(500, 16)
    centre = build_flat(vectors, "l2").centre
    vectors[3] = 1e25
    assert np.abs(build_flat(vectors, "l2").centre - centre).max() < 0.1
