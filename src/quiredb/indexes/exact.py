"""Exact distances and exact search over plain float32 rows, for callers that hold rows without codes."""

from __future__ import annotations

import numpy as np

from quiredb.indexes.contract import METRIC_CODES, Distances, Mask, MetricName, Rows, Vectors
from quiredb.indexes.kernels.exact import exact_nearest, exact_rows
from quiredb.indexes.kernels.registry import ensure_compiled
from quiredb.indexes.shapes import as_mask, as_query

_NO_MASK = np.empty(0, np.uint8)


def exact_distances(query: Vectors, vectors: Vectors, rows: Rows, metric: MetricName) -> Distances:
    """float64 distances of `query` (float32[d]) to `vectors[rows]`, in the order of `rows`.

    The same kernel ends every search of this package, so its numbers equal theirs bit for bit. O(len(rows) d).
    """
    ensure_compiled()
    query = as_query(query, vectors.shape[1])
    rows = np.ascontiguousarray(rows, np.int64)
    if rows.size and (rows.min() < 0 or rows.max() >= vectors.shape[0]):
        raise IndexError(f"rows must lie in 0..{vectors.shape[0] - 1}")
    out = np.empty(rows.shape[0], np.float64)
    exact_rows(query, vectors, rows, METRIC_CODES[metric], out)
    return out


def exact_scan(
    query: Vectors, vectors: Vectors, count: int, metric: MetricName, k: int, mask: Mask | None = None
) -> tuple[Rows, Distances]:
    """The `k` nearest of the first `count` rows of `vectors` (float32[n, d]), ordered by (distance, row). O(count d).

    `mask` (uint8 or bool, at least `count` long) allows the rows where it is nonzero. Rows from `count` on may be
    written by another thread meanwhile: they are not read.
    """
    ensure_compiled()
    if not 0 <= count <= vectors.shape[0]:
        raise ValueError(f"count must lie in 0..{vectors.shape[0]}, not {count}")
    query = as_query(query, vectors.shape[1])
    allowed = _NO_MASK if mask is None else as_mask(mask, count)
    capacity = max(0, min(k, count))
    rows, distances = np.empty(capacity, np.int64), np.empty(capacity, np.float64)
    size = exact_nearest(query, vectors, count, METRIC_CODES[metric], allowed, distances, rows)
    return rows[:size], distances[:size]
