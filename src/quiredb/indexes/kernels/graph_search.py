"""Graph search: walk on records and codes, then rank the best by float64 distances."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import carray
from numba.extending import register_jitable

from quiredb.indexes.kernels.exact import COSINE, L2, rank_widened, row_norm, widen
from quiredb.indexes.kernels.float_sums import squared_norm
from quiredb.indexes.kernels.frontier import row_of, score_of
from quiredb.indexes.kernels.pointers import address_of, float32_pointer, int32_pointer
from quiredb.indexes.kernels.registry import filled, float32, float64, given, helper, int64, kernel, uint8, uint64
from quiredb.indexes.kernels.rotation import ROUNDS, rotate
from quiredb.indexes.kernels.scoring import CodedQuery, Table
from quiredb.indexes.kernels.sign_codes import OPTIMISM, to_bytes, to_planes
from quiredb.indexes.kernels.sign_dots import TOGETHER, planes_length
from quiredb.indexes.kernels.simd import clear_bytes
from quiredb.indexes.kernels.walk import EXPANDED_AT_ONCE, LOOKS, Gates, Reach, walk
from quiredb.indexes.kernels.workspace import make_scratch, make_workspace, scratch_length

DOUBT = 6.5
"""Typical errors of an 8-bit score by which a row may be behind the k-th and still get its exact distance: three are
its own, and in a crowd the k-th is where it is because its error is as large the other way."""
SIGN_ERROR = 0.75
"""The standard deviation of an estimate by signs, in |y| |z| / sqrt(D); see `sign_codes.py`."""
ROUNDED = 0.289
"""The standard deviation of a number that is rounded to whole steps."""


@register_jitable
def room_for(degree: int, entries: int) -> int:
    """How many rows a walk looks at together at most."""
    return max(EXPANDED_AT_ONCE * degree, entries, LOOKS) + TOGETHER


@helper
def score_doubt(squared: float, code_step: Any, error: float, radius: float, dimension: int, metric: int) -> float:
    """How far behind the k-th 8-bit score a row may be and still be among the nearest k; |z|^2 is given."""
    coding = np.sqrt(squared / dimension) * error
    rounding = ROUNDED * np.float64(code_step) * radius
    return (2.0 if metric == L2 else 1.0) * DOUBT * np.sqrt(coding * coding + rounding * rounding)


@helper
def estimate_error(squared: float, radius: float, size: int, metric: int) -> float:
    """The standard deviation of an estimate by signs for a row of length `radius`; |z|^2 is given."""
    return (2.0 if metric == L2 else 1.0) * SIGN_ERROR * radius * np.sqrt(squared / size)


@helper
def open_to_doubt(best: Any, kept: int, k: int, doubt: Any) -> int:
    """How many of the sorted best[:kept] are among the first k, or so near to the k-th score that they may be."""
    while kept > k and score_of(best[kept - 1]) > score_of(best[k - 1]) + doubt:
        kept -= 1
    return kept


@helper
def code_query(
    query: Any, centre: Any, metric: int, rotation: Any, radius: float, z: Any, planes: Any, code: Any
) -> Any:
    """The coded query and |z|^2; z (a pointer to D float32), planes and code (addresses of planes_length(D)
    and D bytes) are filled.

    `radius` is no smaller than any |y|: it bounds the scores from below.
    """
    dimension, size, at = query.shape[0], rotation.shape[1], address_of(z)
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
    squared = squared_norm(at, size)
    length = np.sqrt(squared)
    step, total = to_bytes(at, code, size)
    rotate(at, rotation)
    clear_bytes(planes, planes_length(size))
    sign_step, sign_total = to_planes(at, planes, size)
    shift = np.float32(OPTIMISM * length) - sign_step * np.float32(sign_total)
    lowest = -squared if metric == L2 else -length * radius
    coded = CodedQuery(planes, size, np.float32(2.0) * sign_step, shift, code, step, 255 * total, np.float32(lowest))
    return coded, squared


class Parts(NamedTuple):
    """Where everything is that a search reads, by address, and its shapes: int64 each, in an array of this order.

    One array instead of eight spares a call more than a microsecond, and two where they are mapped files.
    """

    vectors: Any
    dimension: Any
    codes: Any
    code_stride: Any
    centre: Any
    rotation: Any
    size: Any
    records: Any
    record_stride: Any
    neighbours: Any
    degree: Any
    count: Any
    entries: Any
    entry_count: Any
    gates: Any
    metric: Any


class Lengths(NamedTuple):
    """Of the coded rows: no |y| is larger than `longest`; `error` and `radius` are the typical coding error and |y|."""

    longest: Any
    error: Any
    radius: Any


@kernel(
    int64,
    given(int64),
    given(float64),
    given(float32),
    given(uint8),
    int64,
    int64,
    int64,
    int64,
    int64,
    int64,
    int64,
    filled(uint64),
    filled(int64),
    filled(int64),
    filled(float64),
)
def graph_search(
    parts: Any,
    lengths: Any,
    queries: Any,
    mask: Any,
    width: int,
    least: int,
    reranked: int,
    ties: int,
    budget: int,
    probed: int,
    rare: int,
    memory: Any,
    heap: Any,
    out_rows: Any,
    out_distances: Any,
) -> int:
    """Fill out_rows[b * k] (padded -1) and out_distances[b * k] (padded inf) for queries[b * d]; nothing is found for a
    query that is not finite. Returns the least number of rows found.

    The best `width` rows (under a mask fewer, but `least`) are kept while walking, at most `ties` of one score, and
    up to `reranked` (kept, even where `width` is less) get float64 distances. `parts`, `lengths`: see there.
    `memory` (as `workspace.py` deals it out) and `heap` are left clean; memory[:4] = (rows expanded, estimated,
    scored by code, reranked).
    """
    part = Parts(
        parts[0], parts[1], parts[2], parts[3], parts[4], parts[5], parts[6], parts[7], parts[8], parts[9], parts[10],
        parts[11], parts[12], parts[13], parts[14], parts[15],
    )  # fmt: skip
    dimension, metric = part.dimension, part.metric
    centre, rotation = (
        carray(float32_pointer(part.centre), dimension),
        carray(float32_pointer(part.rotation), (ROUNDS, part.size)),
    )
    table = Table(
        part.records, part.record_stride, part.codes, part.code_stride, part.neighbours, part.degree, part.count
    )
    gates = Gates(int32_pointer(part.entries), part.gates, part.entry_count)
    room = room_for(part.degree, part.entry_count)
    scratch = make_scratch(memory, heap, part.count, room)
    rest = memory[scratch_length(part.count, room) :]
    space = make_workspace(rest, part.size, dimension, width, reranked)
    clear_bytes(address_of(scratch.work), 32)
    count = queries.shape[0] // dimension
    k = out_rows.shape[0] // count
    fewest = k
    for position in range(count):
        query = queries[position * dimension : (position + 1) * dimension]
        rows, distances = out_rows[position * k : (position + 1) * k], out_distances[position * k : (position + 1) * k]
        norm = widen(query, space.wide)
        kept: Any = 0
        if norm < np.inf:
            coded, squared = code_query(query, centre, metric, rotation, lengths[0], space.z, space.planes, space.code)
            margin = np.float32(estimate_error(squared, lengths[2], part.size, metric))
            reach = Reach(width, least, ties, budget, probed, rare, max(width, reranked), k, margin)
            kept = walk(table, gates, coded, mask, reach, scratch, space.best)
            doubt = score_doubt(squared, coded.code_step, lengths[1], lengths[2], dimension, metric)
            kept = open_to_doubt(space.best, min(kept, reranked), k, np.float32(doubt))
        for i in range(kept):
            space.nearest[i] = row_of(space.best[i])
        scratch.work[3] += kept
        rank_widened(space.wide, norm, part.vectors, metric, space.nearest[:kept], rows, distances)
        fewest = min(fewest, kept)
    return fewest
