"""Scans of allowed rows by signs: nearly all of the true nearest, wherever they are, and never too few."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from quiredb.indexes import GraphIndex, MetricName, build_flat, build_graph, exact_distances
from quiredb.indexes.contract import METRIC_CODES
from quiredb.indexes.kernels.sign_scan import SAMPLED, sign_scan, word_at
from tests.unit.indexes.samples import METRICS, adversarial, clustered

COUNT, DIMENSION = 6_001, 96
QUERIES = clustered(24, DIMENSION, seed=3)
Mask = NDArray[np.bool_]


@pytest.fixture(scope="module", params=METRICS)
def graph(request: pytest.FixtureRequest) -> GraphIndex:
    return build_graph(build_flat(clustered(COUNT, DIMENSION, seed=1), request.param), degree=16, build_effort=32)


def masks(graph: GraphIndex, query: NDArray[np.float32], allowed: int) -> dict[str, Mask]:
    """So many rows at random, the nearest, and the nearest of the farther half: a crowd at one distance."""
    order = graph.flat.search(query, COUNT)[0]
    rows = {
        "random": np.random.default_rng(allowed).permutation(COUNT)[:allowed],
        "near": order[:allowed],
        "far": order[COUNT // 2 :][:allowed],
    }
    return {kind: np.isin(np.arange(COUNT), some) for kind, some in rows.items()}


@pytest.mark.parametrize("allowed", [30, 600, 3_000])
@pytest.mark.parametrize("k", [1, 10, 100])
def test_nearly_all_of_the_nearest_are_found_under_any_mask(graph: GraphIndex, allowed: int, k: int) -> None:
    wanted, found = min(k, allowed), []
    for query in QUERIES:
        for mask in masks(graph, query, allowed).values():
            rows, distances = graph.scan_signs(query[None], wanted, mask)
            assert mask[rows[0]].all() and len(set(rows[0].tolist())) == wanted
            assert distances[0].tolist() == exact_distances(query, graph.flat.vectors, rows[0], graph.metric).tolist()
            assert (np.diff(distances[0]) >= 0).all()
            found.append(len(np.intersect1d(rows[0], graph.flat.search(query, wanted, mask=mask)[0])) / wanted)
    assert np.mean(found) >= 0.99


@pytest.mark.parametrize("crowded", [True, False])
def test_a_crowd_is_scored_without_estimates(crowded: bool) -> None:
    """Where allowed rows begin amid all of them most pass, so after the sample all codes are read."""
    random = np.random.default_rng(5)
    vectors = random.standard_normal((COUNT, DIMENSION)).astype(np.float32) if crowded else clustered(COUNT, DIMENSION)
    flat = build_flat(vectors, "cosine")
    graph = build_graph(flat, degree=8, build_effort=16)
    query, k, work = vectors[7], 50, np.zeros(4, np.int64)
    order = exact_distances(query, vectors, np.arange(COUNT), "cosine").argsort()
    mask = np.isin(np.arange(COUNT), order[COUNT // 2 :]) if crowded else random.random(COUNT) < 0.95
    rows, distances = np.empty((1, k), np.int64), np.empty((1, k), np.float64)
    sign_scan(
        flat.vectors, flat.codes, flat.factors, flat.centre, graph.rotation, graph.records,
        METRIC_CODES[graph.metric], graph.lengths[1], graph.lengths[2], query[None], COUNT, mask.view(np.uint8), work,
        rows, distances,
    )  # fmt: skip
    allowed, estimated, scored = int(mask.sum()), int(work[1]), int(work[2])
    assert (estimated < allowed // 4 and scored > allowed // 2) if crowded else (estimated == allowed > 2 * scored)
    assert distances[0].tolist() == flat.search(query, k, mask=mask)[1].tolist()


def test_what_is_missing_is_padding(graph: GraphIndex) -> None:
    mask = np.zeros(COUNT, np.bool_)
    mask[[5, COUNT - 1]] = True
    rows, distances = graph.scan_signs(QUERIES[:2], 4, mask)
    assert {frozenset(found) for found in rows.tolist()} == {frozenset({5, COUNT - 1, -1})}
    assert np.isinf(distances[:, 2:]).all() and np.isfinite(distances[:, :2]).all()
    assert graph.scan_signs(QUERIES[:2], 4, np.zeros(COUNT, np.bool_))[0].tolist() == [[-1] * 4] * 2
    assert graph.scan_signs(QUERIES[:2], 0, mask)[0].shape == (2, 0)


def test_queries_of_a_batch_do_not_disturb_each_other(graph: GraphIndex) -> None:
    mask = np.arange(COUNT) % 3 == 0
    rows, distances = graph.scan_signs(QUERIES, 10, mask)
    for number, query in enumerate(QUERIES):
        alone = graph.scan_signs(query[None], 10, mask)
        assert (rows[number].tolist(), distances[number].tolist()) == (alone[0][0].tolist(), alone[1][0].tolist())


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("name", list(adversarial(2)))
def test_awkward_rows_are_not_left_out(metric: MetricName, name: str) -> None:
    """Whatever numbers do not fit, as many come back as are allowed."""
    rows = adversarial(70)[name]
    graph = build_graph(build_flat(rows, metric), degree=8, build_effort=16)
    mask = np.arange(len(rows)) % 4 == 1
    for k in (1, 10, 100):
        found = graph.scan_signs(rows[:3], k, mask)[0]
        assert mask[found].all() and all(len(set(some)) == k for some in found.tolist())


@pytest.mark.parametrize("words", [0, 1, 2, SAMPLED, SAMPLED + 1, 5 * SAMPLED - 1, 5 * SAMPLED + 7])
def test_every_part_of_the_mask_is_looked_at_once(words: int) -> None:
    order = [word_at.py_func(step, words) for step in range(words)]  # type: ignore[attr-defined]
    assert sorted(order) == list(range(words))
    assert all(word % SAMPLED == 0 for word in order[: -(-words // SAMPLED)])


def test_rows_that_8_bits_cannot_tell_apart_are_told_apart_exactly() -> None:
    random = np.random.default_rng(3)
    queries = random.standard_normal((20, 48)).astype(np.float32)
    found = 0
    for query in queries:
        around = random.standard_normal((1200, 48))
        around *= (3 + 0.003 * random.random((1200, 1))) / np.sqrt((around**2).sum(1, keepdims=True))
        around[600:] += 8 / np.sqrt(48)
        rows = (query + around).astype(np.float32)
        graph = build_graph(build_flat(rows, "l2"), degree=12)
        expected = np.argsort(exact_distances(query, rows, np.arange(1200), "l2"))[:10]
        found += np.intersect1d(graph.scan_signs(query[None], 10, np.ones(1200, np.bool_))[0][0], expected).size
    assert found >= 198
