"""Graph search: walk on codes, then rank the best of the pool by float64 distances."""

from __future__ import annotations

from typing import Any

import numpy as np

from quiredb.indexes.kernels.exact import row_distance, row_norm, widened
from quiredb.indexes.kernels.quantize import encode_query
from quiredb.indexes.kernels.ranking import insert_ranked
from quiredb.indexes.kernels.registry import (
    filled,
    float32,
    float64,
    given,
    helper,
    int32,
    int64,
    kernel,
    uint8,
    uint64,
    void,
)
from quiredb.indexes.kernels.simd import prefetch
from quiredb.indexes.kernels.walk import walk


@kernel(
    void,
    given(float32, 2),
    given(float32, 2),
    given(uint8, 2),
    given(float32, 2),
    given(float32),
    given(int32, 2),
    given(int32),
    int64,
    int64,
    int64,
    int64,
    int64,
    given(uint8),
    filled(uint64),
    filled(int32),
    filled(int64, 2),
    filled(float64, 2),
)
def graph_search(
    queries: Any,
    vectors: Any,
    codes: Any,
    factors: Any,
    centre: Any,
    neighbours: Any,
    entries: Any,
    metric: int,
    pool: int,
    results: int,
    reranked: int,
    ties: int,
    mask: Any,
    seen: Any,
    touched: Any,
    out_rows: Any,
    out_distances: Any,
) -> None:
    """Fill out_rows[b, k] (padded -1) and out_distances[b, k] (padded inf).

    `pool` rows are kept while walking, at most `ties` of one score; with a mask `results` allowed rows beside them; the
    best `reranked` of either get float64 distances. `seen` (one bit a row, all zero) and `touched` are scratch space,
    clean again on return.
    """
    p = np.zeros(codes.shape[1], np.int8)
    scores = np.empty(pool, np.float32)
    rows = np.empty(pool, np.int32)
    masked = mask.shape[0] > 0
    best_scores = np.empty(results if masked else 1, np.float32)
    best_rows = np.empty(results if masked else 1, np.int32)
    asides = np.empty(0, np.float32)
    for position in range(queries.shape[0]):
        scale, offset, base, _, _ = encode_query(queries[position], centre, metric, p)
        size, best = walk(
            p, scale, offset, base, np.float32(0.0), codes, factors, asides, neighbours, entries, mask, ties,
            scores, rows, best_scores, best_rows, seen, touched,
        )  # fmt: skip
        if masked:
            _rank(queries[position], vectors, metric, best_rows[: min(best, reranked)],
                  out_rows[position], out_distances[position])  # fmt: skip
        else:
            _rank(queries[position], vectors, metric, rows[: min(size, reranked)],
                  out_rows[position], out_distances[position])  # fmt: skip


@helper
def _rank(query: Any, vectors: Any, metric: int, rows: Any, out_rows: Any, out: Any) -> None:
    """The nearest of `rows` (complemented or not) by float64 distance."""
    k = out.shape[0]
    dimension = query.shape[0]
    start, wide = vectors.ctypes.data, widened(query)
    stride = dimension * 4
    lines = (stride + 63) >> 6
    norm = row_norm(query.ctypes.data, dimension)
    size = 0
    for position in range(rows.shape[0]):
        if position + 1 < rows.shape[0]:
            following = np.int64(rows[position + 1])
            prefetch(start + max(following, ~following) * stride, lines)
        row = np.int64(rows[position])
        row = max(row, ~row)
        distance = row_distance(wide.ctypes.data, start + row * stride, dimension, metric, norm)
        size = insert_ranked(out, out_rows, size, k, distance, row)
    for position in range(size, k):
        out[position] = np.inf
        out_rows[position] = -1
