"""Distances in float64 straight from the float32 rows: the one truth that every search ends with.

The float32 products are exact in float64, so a distance differs from a NumPy float64 computation only by the
rounding of the additions. Metric codes: 0 cosine, 1 squared Euclidean, 2 negated inner product.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from quiredb.indexes.kernels.ranking import insert_ranked
from quiredb.indexes.kernels.registry import filled, float32, float64, given, helper, int64, kernel, uint8, void
from quiredb.indexes.kernels.simd import dot_and_norm, prefetch, squared_distance

COSINE, L2, DOT = 0, 1, 2


@helper
def query_norm(query: Any, dimension: int) -> float:
    """`|q|` in float64."""
    return np.sqrt(dot_and_norm(query, query, dimension)[1])


@helper
def row_distance(query: Any, row: Any, dimension: int, metric: int, norm: float) -> float:
    """The distance of the rows at two addresses; `norm` is the query's. A zero vector has cosine 0 with everything.

    The cosine distance of parallel rows is not let below zero by rounding.
    """
    if metric == L2:
        return squared_distance(query, row, dimension)
    product, squared = dot_and_norm(query, row, dimension)
    if metric == DOT:
        return 0.0 - product
    scale = norm * np.sqrt(squared)
    if scale == 0.0:
        return 1.0
    return max(0.0, 1.0 - product / scale)


@kernel(void, given(float32), given(float32, 2), given(int64), int64, filled(float64))
def exact_rows(query: Any, vectors: Any, rows: Any, metric: int, out: Any) -> None:
    """out[i] = distance of vectors[rows[i]]."""
    dimension = query.shape[0]
    start = vectors.ctypes.data
    address = query.ctypes.data
    stride = dimension * 4
    lines = (stride + 63) >> 6
    norm = query_norm(address, dimension)
    for position in range(rows.shape[0]):
        if position + 1 < rows.shape[0]:
            prefetch(start + rows[position + 1] * stride, lines)
        out[position] = row_distance(address, start + rows[position] * stride, dimension, metric, norm)


@kernel(int64, given(float32), given(float32, 2), int64, int64, given(uint8), filled(float64), filled(int64))
def exact_nearest(query: Any, vectors: Any, count: int, metric: int, mask: Any, distances: Any, rows: Any) -> int:
    """The nearest of the first `count` rows (those with a nonzero mask, if the mask is not empty), sorted.

    Fills `distances` and `rows`, whose length is k; returns how many were filled. O(count d).
    """
    dimension = query.shape[0]
    start = vectors.ctypes.data
    address = query.ctypes.data
    norm = query_norm(address, dimension)
    capacity = rows.shape[0]
    size = 0
    if capacity == 0:
        return 0
    for row in range(count):
        if mask.shape[0] > 0 and mask[row] == 0:
            continue
        distance = row_distance(address, start + row * dimension * 4, dimension, metric, norm)
        size = insert_ranked(distances, rows, size, capacity, distance, row)
    return size
