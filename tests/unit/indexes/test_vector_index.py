"""`VectorIndex`: what it finds, what it refuses, and that it survives a folder."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import quiredb
from quiredb.indexes import (
    BuildCancelled,
    FlatIndex,
    IndexStructure,
    MetricName,
    VectorIndex,
    vector_index_build,
)
from quiredb.indexes.curve import EffortCurve, EffortPoint, Measured
from quiredb.indexes.vector_index_build import AUTO_ROWS
from tests.unit.indexes.samples import METRICS, clustered

COUNT, DIMENSION = 3000, 24
QUERIES = clustered(20, DIMENSION, seed=5)
KINDS = ("flat", "graph", "ivf")


def distances_of(vectors: NDArray[Any], query: NDArray[Any], metric: str) -> NDArray[np.float64]:
    rows, asked = vectors.astype(np.float64), query.astype(np.float64)
    if metric == "l2":
        squared: NDArray[np.float64] = ((rows - asked) ** 2).sum(axis=1)
        return squared
    products: NDArray[np.float64] = rows @ asked
    if metric == "dot":
        return -products
    return 1 - products / np.linalg.norm(rows, axis=1) / np.linalg.norm(asked)


@pytest.fixture(scope="module", params=KINDS)
def index(request: pytest.FixtureRequest) -> VectorIndex:
    return VectorIndex.build(clustered(COUNT, DIMENSION), kind=request.param)


@pytest.fixture(scope="module")
def graph() -> VectorIndex:
    """A graph that is always walked: its scans are said to be slow."""
    built = VectorIndex.build(clustered(COUNT, DIMENSION), kind="graph", degree=16, build_effort=40)
    points = (EffortPoint(10, 0.5, 1e-6), EffortPoint(200, 0.9999, 1e-6))
    curves = tuple(EffortCurve(share, 10, points) for share in (1.0, 0.01))
    return VectorIndex(built.flat, built.structure, Measured(curves, 1.0, ((1.0, 1.0),)), "a test")


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("kind", KINDS)
def test_an_exact_search_equals_brute_force(kind: str, metric: MetricName) -> None:
    vectors = clustered(COUNT, DIMENSION)
    built = quiredb.VectorIndex.build(vectors, metric, kind)
    rows, distances = built.search(QUERIES[0], 10, recall=1)
    truth = distances_of(vectors, QUERIES[0], metric)
    assert rows.tolist() == np.argsort(truth, kind="stable")[:10].tolist()
    assert (rows.dtype, distances.dtype) == (np.int64, np.float32)
    np.testing.assert_allclose(distances, truth[rows], rtol=1e-5, atol=1e-6)
    assert (built.kind, built.metric, built.count, built.dimension) == (kind, metric, COUNT, DIMENSION)


@pytest.mark.parametrize("asked", [{}, {"recall": 0.9}, {"effort": 40}, {"recall": 1.0}])
@pytest.mark.parametrize("share", [None, 0.6, 0.01])
def test_a_batch_finds_what_single_searches_find(
    index: VectorIndex, asked: dict[str, Any], share: float | None
) -> None:
    mask = None if share is None else np.random.default_rng(1).random(COUNT) < share
    rows, distances = index.search_batch(QUERIES, 7, mask=mask, **asked)
    assert (rows.dtype, distances.dtype) == (np.int64, np.float32)
    for number, query in enumerate(QUERIES):
        found = index.search(query, 7, mask=mask, **asked)
        assert rows[number].tolist() == found[0].tolist()
        assert distances[number].tolist() == found[1].tolist()
        assert mask is None or mask[rows[number]].all()


@pytest.mark.parametrize("asked", [{}, {"effort": 10}, {"recall": 0.5}])
@pytest.mark.parametrize("allowed", [0, 1, 5, 40])
def test_fewer_rows_only_when_fewer_are_allowed(graph: VectorIndex, asked: dict[str, Any], allowed: int) -> None:
    """Sparse masks cut walks short; then the rows are scanned."""
    mask = np.zeros(COUNT, np.bool_)
    mask[np.random.default_rng(2).choice(COUNT, allowed, replace=False)] = True
    rows, distances = graph.search(QUERIES[0], 30, mask=mask, **asked)
    assert sorted(rows.tolist()) == np.flatnonzero(mask).tolist() if allowed < 30 else len(rows) == 30
    assert mask[rows].all() and np.isfinite(distances).all()
    many, far = graph.search_batch(QUERIES[:2], 30, mask=mask, **asked)
    assert many.shape == far.shape == (2, 30)
    assert np.count_nonzero(many[0] >= 0) == len(rows)
    assert (many[0][len(rows) :] == -1).all() and np.isinf(far[0][len(rows) :]).all()


def test_k_beyond_the_rows_gives_all_rows(index: VectorIndex) -> None:
    small = VectorIndex.build(clustered(50, 8), kind=index.kind)
    for asked in ({}, {"effort": 20}):
        assert sorted(small.search(clustered(1, 8, seed=9)[0], 80, **asked)[0].tolist()) == list(range(50))


def test_a_walk_with_an_effort_is_the_structure_itself(graph: VectorIndex) -> None:
    for effort in graph.efforts:
        rows, distances = graph.search(QUERIES[0], 5, effort=effort)
        expected = graph.structure.search(QUERIES[0], 5, effort=effort)
        assert rows.tolist() == expected[0].tolist()
        assert distances.tolist() == expected[1].astype(np.float32).tolist()


def test_the_inner_search_tells_its_plan_and_keeps_float64(graph: VectorIndex) -> None:
    mask = np.arange(COUNT) % 2 == 0
    walked = graph.nearest(QUERIES[0], 10, allowed=COUNT, recall=0.9)
    masked = graph.nearest(QUERIES[0], 10, allowed=COUNT // 2, mask=mask, recall=0.9)
    exact = graph.nearest(QUERIES[0], 10, allowed=COUNT // 2, mask=mask, exact=True)
    assert [str(found.plan) for found in (walked, masked, exact)] == ["graph", "masked-graph", "masked-scan"]
    assert walked.distances.dtype == np.float64
    assert str(graph.nearest(QUERIES[0], 10, allowed=0, mask=np.zeros(COUNT, np.bool_)).plan) == "skip"


def test_an_index_of_nothing_finds_nothing() -> None:
    for kind in ("auto", *KINDS):
        empty = VectorIndex.build(np.empty((0, 4), np.float32), kind=kind)
        rows, distances = empty.search(np.ones(4, np.float32), 3)
        assert rows.shape == distances.shape == (0,)
        assert empty.search_batch(np.ones((2, 4), np.float32), 3)[0].tolist() == [[-1] * 3] * 2


def test_lists_and_other_numbers_are_taken_as_float32() -> None:
    built = VectorIndex.build([[0, 0], [3, 4], [6, 8]], "l2", "flat")
    for query in ([3, 4], np.array([3.0, 4.0]), (3, 4)):
        for asked in ({}, {"effort": 1}):
            rows, distances = built.search(query, 2, **asked)
            assert (rows.tolist(), distances.tolist()) == ([1, 0], [0.0, 25.0])


def test_auto_says_why() -> None:
    small = VectorIndex.build(clustered(100, 8))
    assert small.kind == "flat" and f"below {AUTO_ROWS:,} rows" in small.reason
    asked = VectorIndex.build(clustered(100, 8), kind="flat")
    assert "Asked for" in asked.reason


@pytest.mark.parametrize(
    ("quick", "kind", "words"),
    [
        ({"graph", "ivf"}, "graph", "graph finds 98%"),
        ({"ivf"}, "ivf", "ivf finds 98%"),
        (set(), "flat", "no graph or ivf beats an exact scan"),
    ],
)
def test_auto_takes_the_first_structure_that_is_measured_to_beat_a_scan(
    quick: set[str], kind: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measured(flat: FlatIndex, structure: IndexStructure, *_: Any) -> Measured:
        seconds = 1e-4 if structure.kind in quick else 1e-2
        return Measured((EffortCurve(1.0, 10, (EffortPoint(20, 0.9999, seconds),)),), 1e-3)

    monkeypatch.setattr(vector_index_build, "AUTO_ROWS", 500)
    monkeypatch.setattr(vector_index_build, "measure", measured)
    heard: list[float] = []
    built = VectorIndex.build(clustered(600, 8), progress=heard.append)
    assert built.kind == kind and words in built.reason
    assert heard == sorted(heard) and heard[-1] == 1.0


def test_a_build_reports_and_can_be_cancelled() -> None:
    heard: list[float] = []
    VectorIndex.build(clustered(2000, 8), kind="graph", progress=heard.append)
    assert heard == sorted(heard) and heard[-1] == 1.0
    with pytest.raises(BuildCancelled):
        VectorIndex.build(clustered(2000, 8), kind="graph", cancelled=lambda: True)
    asked: list[bool] = []

    def asks(last: int | None) -> bool:
        asked.append(True)
        return len(asked) == last

    VectorIndex.build(clustered(2000, 8), kind="graph", cancelled=lambda: asks(None))
    times = len(asked)
    asked.clear()
    with pytest.raises(BuildCancelled, match="measured"):
        VectorIndex.build(clustered(2000, 8), kind="graph", cancelled=lambda: asks(times))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"metric": "manhattan"}, "metric must be one of cosine, l2, dot"),
        ({"kind": "tree"}, "kind must be one of auto, flat, graph, ivf"),
        ({"kind": "graph", "depth": 3}, "graph has no parameter 'depth'; it has build_effort, degree"),
        ({"kind": "flat", "degree": 3}, "flat has no parameter 'degree'; it has none"),
        ({"kind": "graph", "degree": 1}, "degree must lie in"),
        ({"threads": 0}, "threads must be at least 1"),
        ({"vectors": [[1.0, np.nan]]}, "finite"),
        ({"vectors": [[1e300, 1.0]]}, "finite"),
        ({"vectors": [1.0, 2.0]}, "shape"),
        ({"vectors": [["a", "b"]]}, "numbers"),
        ({"vectors": np.empty((3, 0), np.float32)}, "shape"),
    ],
)
def test_what_cannot_be_built_is_refused(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        VectorIndex.build(**{"vectors": clustered(10, 4), **arguments})


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"k": 0}, "k must be at least 1"),
        ({"k": -1, "effort": 10}, "k must be at least 1"),
        ({"recall": 0}, "recall must be above 0"),
        ({"recall": 1.1}, "recall must be above 0"),
        ({"recall": 0.9, "effort": 10}, "not both"),
        ({"effort": -1, "mask": np.ones(COUNT, np.bool_)}, "effort must not be negative"),
        ({"query": np.ones(3, np.float32)}, "shape"),
        ({"query": np.ones(3, np.float32), "effort": 10}, "shape"),
        ({"query": np.full(DIMENSION, np.nan, np.float32)}, "finite"),
        ({"query": np.full(DIMENSION, np.nan, np.float32), "effort": 10}, "finite"),
        ({"query": np.full(DIMENSION, np.inf, np.float32), "effort": 10}, "finite"),
        ({"mask": np.ones(COUNT - 1, np.bool_)}, "mask must be a boolean array of shape"),
        ({"mask": np.arange(COUNT)}, "mask must be a boolean array of shape"),
    ],
)
def test_what_cannot_be_searched_is_refused(index: VectorIndex, arguments: dict[str, Any], words: str) -> None:
    asked = {"query": QUERIES[0], "k": 3, **arguments}
    with pytest.raises(ValueError, match=words):
        index.search(**asked)
    query = asked.pop("query")
    with pytest.raises(ValueError, match=words):
        index.search_batch(query.reshape(1, -1), **asked)


def test_measuring_again_changes_what_is_promised_and_nothing_else(index: VectorIndex) -> None:
    again = index.with_queries(QUERIES)
    assert (again.kind, again.reason, again.structure) == (index.kind, index.reason, index.structure)
    assert (again is index) == (index.kind == "flat")
    for queries in (np.empty((0, DIMENSION), np.float32), clustered(3, DIMENSION + 1)):
        with pytest.raises(ValueError, match="quer"):
            VectorIndex.build(clustered(200, DIMENSION), kind="graph").with_queries(queries)


def test_importing_the_package_is_light() -> None:
    script = "import sys, quiredb; print(json.dumps([n for n in ('numpy', 'numba') if n in sys.modules]))"
    out = subprocess.run([sys.executable, "-c", f"import json; {script}"], capture_output=True, text=True, check=True)
    assert json.loads(out.stdout) == []
    with pytest.raises(AttributeError, match="no attribute 'VectorIndexes'"):
        quiredb.VectorIndexes  # noqa: B018
