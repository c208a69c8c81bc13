"""Graph search: walk on records and codes, then rank the best by float64 distances."""

from __future__ import annotations

from typing import Any

import numpy as np

from quiredb.indexes.kernels.exact import COSINE, L2, rank_rows, row_norm
from quiredb.indexes.kernels.float_sums import squared_norm
from quiredb.indexes.kernels.frontier import row_of
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
from quiredb.indexes.kernels.rotation import rotate
from quiredb.indexes.kernels.sign_codes import OPTIMISM, to_bytes
from quiredb.indexes.kernels.sign_dots import TOGETHER
from quiredb.indexes.kernels.walk import BINS, EXPANDED_AT_ONCE, CodedQuery, Scratch, Table, walk


@helper
def walking_room(degree: int, entries: int) -> int:
    """How many rows a walk looks at together at most."""
    return max(EXPANDED_AT_ONCE * degree, entries) + TOGETHER


@helper
def make_scratch(seen: Any, heap: Any, room: int) -> Any:
    """The memory of walks that look at up to `room` rows at a time."""
    return Scratch(
        seen, heap, np.zeros(BINS, np.int32), np.zeros(BINS, np.float32), np.zeros(room, np.int32),
        np.empty(room, np.int32), np.empty(room, np.float32),
    )  # fmt: skip


@helper
def make_table(records: Any, codes: Any, neighbours: Any) -> Any:
    """Addresses and shapes of what a walk reads."""
    count, degree = neighbours.shape
    return Table(
        records.ctypes.data, records.shape[1], codes.ctypes.data, codes.shape[1], neighbours.ctypes.data, degree, count
    )


@helper
def code_query(
    query: Any, centre: Any, metric: int, rotation: Any, radius: float, aside: Any, z: Any, signed: Any, code: Any
) -> Any:
    """The coded query and |z|^2; z (float32[D]), signed and code (int8[D]) are filled.

    `radius` is no smaller than any |y|: it bounds the scores from below.
    """
    dimension, size = query.shape[0], z.shape[0]
    inverse = 1.0
    if metric == COSINE:
        length = row_norm(query.ctypes.data, dimension)
        inverse = 1.0 / length if length > 0.0 else 1.0
    for i in range(dimension):
        z[i] = np.float32(np.float64(query[i]) * inverse)
    if metric == L2:
        for i in range(dimension):
            z[i] -= centre[i]
    for i in range(dimension, size):
        z[i] = 0.0
    squared = squared_norm(z.ctypes.data, size)
    length = np.sqrt(squared)
    step, total = to_bytes(z.ctypes.data, code.ctypes.data, size)
    rotate(z.ctypes.data, rotation)
    sign_step, sign_total = to_bytes(z.ctypes.data, signed.ctypes.data, size)
    shift = np.float32(OPTIMISM * length) - sign_step * np.float32(sign_total)
    lowest = -squared if metric == L2 else -length * radius
    coded = CodedQuery(signed, np.float32(2.0) * sign_step, shift, code, step, 255 * total, aside, np.float32(lowest))
    return coded, squared


@kernel(
    void,
    given(float32, 2),
    given(uint8, 2),
    given(float32),
    given(float32, 2),
    given(uint8, 2),
    given(int32, 2),
    given(int32),
    int64,
    float64,
    given(float32, 2),
    int64,
    int64,
    int64,
    int64,
    int64,
    int64,
    int64,
    given(uint8),
    filled(uint64),
    filled(int64),
    filled(int64),
    filled(int64, 2),
    filled(float64, 2),
)
def graph_search(
    vectors: Any,
    codes: Any,
    centre: Any,
    rotation: Any,
    records: Any,
    neighbours: Any,
    entries: Any,
    metric: int,
    radius: float,
    queries: Any,
    width: int,
    least: int,
    reranked: int,
    ties: int,
    budget: int,
    probed: int,
    rare: int,
    mask: Any,
    seen: Any,
    heap: Any,
    work: Any,
    out_rows: Any,
    out_distances: Any,
) -> None:
    """Fill out_rows[b, k] (padded -1) and out_distances[b, k] (padded inf).

    The best `width` rows (under a mask fewer, but `least`) are kept while walking, at most `ties` of one score, and
    `reranked` of them get float64 distances. `seen` (one bit a row, all zero) and `heap` are scratch space, clean again
    on return. work[:4] += (rows expanded, estimated, scored by code, reranked).
    """
    size = rotation.shape[1]
    z, signed, code = np.empty(size, np.float32), np.empty(size, np.int8), np.empty(size, np.int8)
    scratch = make_scratch(seen, heap, walking_room(neighbours.shape[1], entries.shape[0]))
    table = make_table(records, codes, neighbours)
    best, nearest = np.empty(width + 1, np.int64), np.empty(reranked, np.int64)
    for position in range(queries.shape[0]):
        query, _ = code_query(queries[position], centre, metric, rotation, radius, np.float32(0.0), z, signed, code)
        kept = walk(table, query, entries, mask, width, least, ties, budget, probed, rare, scratch, best, work)
        kept = min(kept, reranked)
        work[3] += kept
        for i in range(kept):
            nearest[i] = row_of(best[i])
        rank_rows(queries[position], vectors, metric, nearest[:kept], out_rows[position], out_distances[position])
