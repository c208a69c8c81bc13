"""Distances in float64 straight from the float32 rows: the one truth that every search ends with.

The float32 products are exact in float64, so a distance differs from a NumPy float64 computation only by the
rounding of the additions. Metric codes: 0 cosine, 1 squared Euclidean, 2 negated inner product.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from quiredb.indexes.kernels.float_sums import dot_and_norm, dot_product, squared_distance, squared_norm
from quiredb.indexes.kernels.ranking import insert_ranked
from quiredb.indexes.kernels.registry import filled, float32, float64, given, helper, int64, kernel, uint8, void
from quiredb.indexes.kernels.simd import prefetch

COSINE, L2, DOT = 0, 1, 2
FETCHED = 2
"""How many rows ahead a row is prefetched,"""
HEADS = 16
"""and its first cache line."""


@helper
def widen(query: Any, wide: Any) -> float:
    """Fill wide[d] with the query as float64, as `row_distance` wants it.

    Returns its norm, which is not finite where the query is not.
    """
    for i in range(query.shape[0]):
        wide[i] = query[i]
    return row_norm(query.ctypes.data, query.shape[0])


@helper
def row_norm(address: Any, dimension: int) -> float:
    """`|x|` of the float32 row at an address."""
    return np.sqrt(squared_norm(address, dimension))


@helper
def row_distance(wide: Any, row: Any, dimension: int, metric: int, norm: float, ahead: Any) -> float:
    """The distance of a widened query and a row, both by address; `norm` is the query's. Prefetches the row at `ahead`.

    A zero vector has cosine 0 with everything. The cosine distance of parallel rows is not let below zero by rounding.
    """
    if metric == L2:
        return squared_distance(wide, row, dimension, ahead)
    if metric == DOT:
        return 0.0 - dot_product(wide, row, dimension, ahead)
    product, squared = dot_and_norm(wide, row, dimension, ahead)
    scale = norm * np.sqrt(squared)
    if scale == 0.0:
        return 1.0
    return max(0.0, 1.0 - product / scale)


@kernel(void, given(float32), given(float32, 2), given(int64), int64, filled(float64))
def exact_rows(query: Any, vectors: Any, rows: Any, metric: int, out: Any) -> None:
    """out[i] = distance of vectors[rows[i]]."""
    dimension = query.shape[0]
    start = vectors.ctypes.data
    wide = np.empty(dimension, np.float64)
    norm = widen(query, wide)
    stride = dimension * 4
    for position in range(rows.shape[0]):
        row, ahead = start + rows[position] * stride, start + rows[min(position + 1, rows.shape[0] - 1)] * stride
        out[position] = row_distance(wide.ctypes.data, row, dimension, metric, norm, ahead)


@helper
def rank_rows(query: Any, vectors: Any, metric: int, rows: Any, out_rows: Any, out: Any) -> None:
    """The len(out) nearest of `rows` by float64 distance, sorted; padded with row -1 and distance inf."""
    wide = np.empty(query.shape[0], np.float64)
    norm = widen(query, wide)
    rank_widened(wide, norm, vectors.ctypes.data, metric, rows, out_rows, out)


@helper
def rank_widened(wide: Any, norm: float, vectors: Any, metric: int, rows: Any, out_rows: Any, out: Any) -> None:
    """`rank_rows` for a query that `widen` took, and vectors by address.

    The first line of a row is asked for long before the others, which wakes the processor's own prefetching.
    """
    dimension = wide.shape[0]
    stride, last = dimension * 4, rows.shape[0] - 1
    for position in range(min(HEADS, rows.shape[0])):
        prefetch(vectors + np.int64(rows[position]) * stride, 1)
    for position in range(min(FETCHED, rows.shape[0])):
        prefetch(vectors + np.int64(rows[position]) * stride + 64, ((stride + 63) >> 6) - 1)
    size = 0
    for position in range(rows.shape[0]):
        if position + HEADS < rows.shape[0]:
            prefetch(vectors + np.int64(rows[position + HEADS]) * stride, 1)
        row, ahead = np.int64(rows[position]), vectors + np.int64(rows[min(position + FETCHED, last)]) * stride
        distance = row_distance(wide.ctypes.data, vectors + row * stride, dimension, metric, norm, ahead)
        size = insert_ranked(out, out_rows, size, out.shape[0], distance, row)
    for position in range(size, out.shape[0]):
        out[position] = np.inf
        out_rows[position] = -1


@kernel(int64, given(float32), given(float32, 2), int64, int64, given(uint8), filled(float64), filled(int64))
def exact_nearest(query: Any, vectors: Any, count: int, metric: int, mask: Any, distances: Any, rows: Any) -> int:
    """The nearest of the first `count` rows (those with a nonzero mask, if the mask is not empty), sorted.

    Fills `distances` and `rows`, whose length is k; returns how many were filled. O(count d).
    """
    dimension = query.shape[0]
    start = vectors.ctypes.data
    wide = np.empty(dimension, np.float64)
    norm = widen(query, wide)
    capacity = rows.shape[0]
    size = 0
    if capacity == 0:
        return 0
    for row in range(count):
        if mask.shape[0] > 0 and mask[row] == 0:
            continue
        at = start + row * dimension * 4
        distance = row_distance(wide.ctypes.data, at, dimension, metric, norm, at)
        size = insert_ranked(distances, rows, size, capacity, distance, row)
    return size
