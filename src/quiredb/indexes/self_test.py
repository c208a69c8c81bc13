"""A few milliseconds that compare every kernel with plain NumPy before the process relies on it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from quiredb.indexes.contract import Distances, KernelSelfTestError, MetricName, Rows, Vectors
from quiredb.indexes.exact import exact_distances, exact_scan
from quiredb.indexes.flat import SCAN_FLOATS_UP_TO, build_flat
from quiredb.indexes.graph_build import build_graph
from quiredb.indexes.ivf_build import build_ivf

_TOLERANCE = 1e-9
_METRICS: tuple[MetricName, ...] = ("cosine", "l2", "dot")


def reference_distances(query: Vectors, vectors: Vectors, metric: MetricName) -> Distances:
    """float64 distances by NumPy alone."""
    q, x = query.astype(np.float64), vectors.astype(np.float64)
    if metric == "l2":
        squared: Distances = ((x - q) ** 2).sum(axis=1)
        return squared
    products: Distances = x @ q
    if metric == "dot":
        return -products
    return 1.0 - products / np.sqrt((x * x).sum(axis=1) * (q @ q))


def run() -> None:
    """Raises KernelSelfTestError naming the first search that disagrees with NumPy."""
    random = np.random.default_rng(1)
    for dimension in (3, 64, 130):
        vectors = random.standard_normal((2 * SCAN_FLOATS_UP_TO, dimension)).astype(np.float32)
        query = random.standard_normal(dimension).astype(np.float32)
        for metric in _METRICS:
            _check_metric(vectors, query, metric)


def _check_metric(vectors: Vectors, query: Vectors, metric: MetricName) -> None:
    count = vectors.shape[0]
    everything = np.arange(count, dtype=np.int64)
    truth = reference_distances(query, vectors, metric)
    if not np.allclose(exact_distances(query, vectors, everything, metric), truth, atol=_TOLERANCE):
        raise _wrong("exact_distances", metric, vectors.shape[1])
    flat = build_flat(vectors, metric)
    mask = (everything % 2).astype(np.uint8)
    graph = build_graph(flat, degree=16, build_effort=32)
    ivf = build_ivf(flat)
    searches: list[tuple[str, Callable[[], tuple[Rows, Distances]], Distances]] = [
        ("exact_scan", lambda: exact_scan(query, vectors, count, metric, 5), truth),
        ("flat", lambda: flat.search(query, 5), truth),
        ("flat with a mask", lambda: flat.search(query, 5, mask=mask), truth[1::2]),
        ("graph", lambda: graph.search(query, 5, effort=count), truth),
        ("ivf", lambda: _first(ivf.search(query, count), 5), truth),
        ("ivf with a mask", lambda: _first(ivf.search(query, count, mask=mask), 5), truth[1::2]),
        ("signs", lambda: _only(graph.scan_signs(query[None], 5, mask)), truth[1::2]),
        ("graph with a mask", lambda: graph.search(query, 5, effort=count, mask=mask), truth[1::2]),
    ]
    for name, search, expected in searches:
        rows, distances = search()
        agrees = np.allclose(distances, np.sort(expected)[:5], atol=_TOLERANCE)
        if not agrees or not np.allclose(truth[rows], distances, atol=_TOLERANCE):
            raise _wrong(name, metric, vectors.shape[1])


def _first(found: tuple[Rows, Distances], k: int) -> tuple[Rows, Distances]:
    return found[0][:k], found[1][:k]


def _only(found: tuple[Rows, Distances]) -> tuple[Rows, Distances]:
    return found[0][0], found[1][0]


def _wrong(name: str, metric: str, dimension: int) -> KernelSelfTestError:
    return KernelSelfTestError(
        f"the compiled {name} disagrees with NumPy for {metric} in {dimension} dimensions; delete the kernel cache "
        "folder, and if that does not help set QUIRE_SIMD=portable"
    )
