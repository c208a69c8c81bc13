"""Exact search for many queries at once: the first pass of `flat_scan` as products of eight rows and 32 queries.

The queries' codes are packed side by side once, the rows' codes are read once for all of a group. Bounds, their proof
and the second pass are those of `flat_scan`. Time n (d / 64 instructions) a query, spared of what a row alone costs.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from quiredb.indexes.kernels.exact import COSINE, rank_rows
from quiredb.indexes.kernels.flat_scan import SLACK
from quiredb.indexes.kernels.leaf_dots import GROUPS, LANES, ROWS
from quiredb.indexes.kernels.level import compare_leaf, dot_codes
from quiredb.indexes.kernels.mask_words import PLACES, lowest_bit, nonzero_bits
from quiredb.indexes.kernels.prune import as_signed
from quiredb.indexes.kernels.quantize import encode_query
from quiredb.indexes.kernels.ranking import insert_value
from quiredb.indexes.kernels.registry import filled, float32, float64, given, helper, int64, kernel, uint8, void
from quiredb.indexes.kernels.simd import BLOCK, prefetch

GROUP = 128
"""Queries that share one pass over the codes."""
KEPT = 4096
"""Rows that a query keeps, or four times k: when they are so many, exact distances decide which k stay."""
AHEAD = 8
"""Rows that codes are fetched ahead."""


class Asked(NamedTuple):
    """A group of queries in lanes, padded to whole words of lanes: their packed codes and what `flat_scan` calls terms.

    packed: uint8[lanes * stride]; totals: the sums of the signed codes; limits: the k-th upper bound or distance so
    far; lower, flags: what one row makes of them.
    """

    packed: Any
    totals: Any
    scales: Any
    bases: Any
    lengths: Any
    residues: Any
    limits: Any
    lower: Any
    flags: Any


class Kept(NamedTuple):
    """Rows that may be among the k nearest of each query: rows[lanes, room], lower[lanes, room], upper[lanes, k].

    sizes[lanes, 2] = (upper bounds kept, rows kept).
    """

    rows: Any
    lower: Any
    upper: Any
    sizes: Any


@helper
def _ask(asked: Any, queries: Any, centre: Any, metric: int, stride: int) -> None:
    """Fill the lanes with `queries`."""
    signed = np.empty(stride, np.int8)
    for lane in range(queries.shape[0]):
        scale, offset, base, length, residue = encode_query(queries[lane], centre, metric, signed)
        asked.totals[lane] = np.int32(offset // 255)
        asked.scales[lane], asked.bases[lane] = scale, base
        asked.lengths[lane], asked.residues[lane] = length, residue
        asked.limits[lane] = np.inf
        start = lane // LANES * LANES * stride + lane % LANES * 4
        for i in range(stride):
            asked.packed[start + i // 4 * LANES * 4 + i % 4] = np.uint8(np.int64(signed[i]) + 128)


@helper
def _bound_row(asked: Any, lanes: int, dots: Any, shift: Any, factors: Any, error: Any, radius: Any) -> None:
    """asked.lower = the lower bounds of one row's scores; asked.flags = which are not above their limits."""
    first, second = np.float64(factors[0]), np.float64(factors[1])
    totals, scales, bases, lengths, residues = asked.totals, asked.scales, asked.bases, asked.lengths, asked.residues
    lower, limits, flags = asked.lower, asked.limits, asked.flags
    for lane in range(lanes):
        signed = np.float64(np.int32(np.int32(2 * dots[lane]) + totals[lane] + shift))
        lower[lane] = bases[lane] + first + second * scales[lane] * signed
    for lane in range(lanes):
        length = lengths[lane]
        bound = length * error + residues[lane] * radius + SLACK * (abs(bases[lane]) + (radius + length) * radius)
        lower[lane] -= bound
    for lane in range(lanes):
        flags[lane] = np.uint8(not lower[lane] > limits[lane])


@helper
def _keep_row(asked: Any, kept: Any, lane: int, row: int, error: Any, radius: Any) -> bool:
    """Keep a row for a query; true when there is no room for another."""
    length, least = asked.lengths[lane], asked.lower[lane]
    bound = length * error + asked.residues[lane] * radius
    bound += SLACK * (abs(asked.bases[lane]) + (radius + length) * radius)
    most = least + 2.0 * bound
    if not error < np.inf:
        least, most = -np.inf, np.inf
    sizes, upper = kept.sizes[lane], kept.upper[lane]
    k = upper.shape[0]
    size = sizes[1]
    kept.rows[lane, size], kept.lower[lane, size] = row, least
    sizes[0] = insert_value(upper, sizes[0], k, most)
    sizes[1] = size + 1
    if sizes[0] == k:
        asked.limits[lane] = upper[k - 1]
    return size + 1 == kept.rows.shape[1]


@helper
def _rank(asked: Any, kept: Any, lane: int, query: Any, vectors: Any, metric: int, rows: Any, distances: Any) -> None:
    """rows, distances (k each, padded) = the nearest of what a query kept."""
    held, lower, limit = kept.rows[lane], kept.lower[lane], asked.limits[lane]
    size = 0
    for position in range(kept.sizes[lane, 1]):
        if not lower[position] > limit:
            held[size] = held[position]
            size += 1
    rank_rows(query, vectors, metric, held[:size], rows, distances)


@helper
def _thin_out(
    asked: Any, kept: Any, lane: int, query: Any, vectors: Any, metric: int, rows: Any, distances: Any
) -> None:
    """Of what a query kept, only the k nearest stay, with exact bounds."""
    _rank(asked, kept, lane, query, vectors, metric, rows, distances)
    k = rows.shape[0]
    for position in range(k):
        # What is compared with estimates is `-cos`, not `1 - cos`.
        score = distances[position] - 1.0 if metric == COSINE else distances[position]
        kept.rows[lane, position], kept.lower[lane, position] = rows[position], score
        kept.upper[lane, position] = score
    kept.sizes[lane, 0] = kept.sizes[lane, 1] = k
    asked.limits[lane] = min(asked.limits[lane], kept.upper[lane, k - 1])


@kernel(
    void, given(float32, 2), given(float32, 2), given(uint8, 2), given(float32, 2), given(float32), given(float32),
    given(float32), int64, given(int64), filled(int64, 2), filled(float64, 2),
)  # fmt: skip
def flat_search_many(
    queries: Any, vectors: Any, codes: Any, factors: Any, errors: Any, radii: Any, centre: Any, metric: int,
    subset: Any, out_rows: Any, out_distances: Any,
) -> None:  # fmt: skip
    """Fill out_rows[b, k] and out_distances[b, k]; with a subset only of these rows. There are at least k of them."""
    stride, k = codes.shape[1], out_rows.shape[1]
    total = subset.shape[0] if subset.shape[0] > 0 else codes.shape[0]
    lanes = (min(GROUP, queries.shape[0]) + PLACES - 1) // PLACES * PLACES
    room = min(total, max(KEPT, 4 * k))
    asked = Asked(
        np.zeros(lanes * stride, np.uint8), np.zeros(lanes, np.int32), np.zeros(lanes), np.zeros(lanes),
        np.zeros(lanes), np.zeros(lanes), np.empty(lanes), np.empty(lanes), np.empty(lanes, np.uint8),
    )  # fmt: skip
    kept = Kept(
        np.empty((lanes, room), np.int64), np.empty((lanes, room)), np.empty((lanes, k)), np.empty((lanes, 2), np.int64)
    )
    signed, dots = np.zeros((ROWS, stride), np.int8), np.empty((ROWS, lanes), np.int32)
    ones = np.ones(stride, np.int8)
    start, blocks = codes.ctypes.data, stride // BLOCK
    for first in range(0, queries.shape[0], lanes):
        members = min(lanes, queries.shape[0] - first)
        used = (members + GROUPS * LANES - 1) // (GROUPS * LANES) * GROUPS * LANES
        asked.limits[:] = -np.inf
        kept.sizes[:] = 0
        _ask(asked, queries[first : first + members], centre, metric, stride)
        for begin in range(0, total, ROWS):
            together = min(ROWS, total - begin)
            for line in range(together):
                row: Any = subset[begin + line] if subset.shape[0] > 0 else begin + line
                if subset.shape[0] > 0 and begin + line + AHEAD < total:
                    prefetch(start + subset[begin + line + AHEAD] * stride, blocks)
                as_signed(codes, row, signed[line])
            for block in range(0, used, GROUPS * LANES):
                compare_leaf(
                    signed.ctypes.data, stride, asked.packed.ctypes.data + block * stride, stride // 4,
                    dots.ctypes.data + block * 4, lanes * 4,
                )  # fmt: skip
            for line in range(together):
                row = subset[begin + line] if subset.shape[0] > 0 else begin + line
                total_of_row = np.int64(dot_codes(start + row * stride, ones.ctypes.data, blocks))
                shift = np.int32(32768 * stride - 256 * total_of_row)
                error, radius = np.float64(errors[row]), np.float64(radii[row])
                _bound_row(asked, used, dots[line], shift, factors[row], error, radius)
                for word in range(0, members, PLACES):
                    within = nonzero_bits(asked.flags.ctypes.data + word)
                    while within != 0:
                        lane = word + lowest_bit(within)
                        within &= within - np.uint64(1)
                        if lane < members and _keep_row(asked, kept, lane, row, error, radius):
                            _thin_out(
                                asked, kept, lane, queries[first + lane], vectors, metric, out_rows[first + lane],
                                out_distances[first + lane],
                            )  # fmt: skip
        for lane in range(members):
            _rank(
                asked, kept, lane, queries[first + lane], vectors, metric, out_rows[first + lane],
                out_distances[first + lane],
            )  # fmt: skip
