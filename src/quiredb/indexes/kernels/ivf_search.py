"""`ivf` search: score the lists, scan the nearest by one-bit codes, score what passes by 8 bits, rank the best exactly.

A row passes when its one-bit estimate, less CONFIDENCE standard deviations of it, is below the k-th best 8-bit score
so far. That k-th score falls fast, as lists come in ascending order, so few rows are read at random.

With a mask, allowed rows are farther than the nearest of all, and lists must be scanned farther out by just that much.
So while the first `probes` lists are scanned the k nearest of all rows are kept too, as a reference. Scanning stops
only at a list whose key is as far beyond the k-th allowed score as the key of the last of these lists is beyond the
k-th reference score. This holds however the mask goes with the query: when allowed rows are far or few, all lists are
scanned.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from quiredb.indexes.kernels.exact import COSINE, L2, rank_rows, row_norm
from quiredb.indexes.kernels.fast_scan import LANES, SPREAD, build_table
from quiredb.indexes.kernels.level import dot_codes, scan_block
from quiredb.indexes.kernels.list_order import heapify, pop_list
from quiredb.indexes.kernels.mask_words import lowest_bit
from quiredb.indexes.kernels.quantize import encode_query, twice_signed
from quiredb.indexes.kernels.ranking import insert_ranked, insert_value
from quiredb.indexes.kernels.registry import filled, float32, float64, given, helper, int32, int64, kernel, uint8, void
from quiredb.indexes.kernels.rotation import rotate
from quiredb.indexes.kernels.simd import BLOCK, prefetch

CONFIDENCE = 1.9
"""Standard deviations a one-bit estimate may be too large by: one row in 35 is worse."""
DOUBT = 3.0
"""Typical errors of an 8-bit score by which a row may be behind the k-th and still get its exact distance."""
ALL_LANES = 2**LANES - 1
_WAITING = 64
"""Rows that may wait for their 8-bit scores while their codes are fetched."""
_LIST_LINES = 32
"""Cache lines of the next list that are fetched ahead; the CPU follows from there."""


@kernel(
    void, given(float32, 2), given(float32, 2), given(uint8, 2), given(float32, 2), given(float32), int64,
    given(uint8, 2), given(float32, 2), given(float32), given(float32), given(float32, 2), given(int64),
    given(uint8, 2), given(float32, 3), given(int32, 2), float64, float64, int64, int64, given(uint8),
    filled(int64, 2), filled(float64, 2),
)  # fmt: skip
def ivf_search(
    queries: Any, vectors: Any, codes: Any, factors: Any, mean: Any, metric: int, list_codes: Any, list_factors: Any,
    list_squares: Any, list_penalties: Any, signs: Any, starts: Any, block_codes: Any, block_factors: Any,
    block_rows: Any, error: float, radius: float, probes: int, pool: int, mask: Any, out_rows: Any, out_distances: Any,
) -> None:  # fmt: skip
    """Fill out_rows[b, k] (padded -1) and out_distances[b, k] (padded inf).

    The nearest `probes` lists are scanned, and more until k rows are found; the best rows by 8-bit score, at most
    `pool` of them, get float64 distances. With a mask (not empty) only rows where it is nonzero are found. `error` and
    `radius`: what flat's errors and radii typically are.
    """
    lists = starts.shape[0] - 1
    k = out_rows.shape[1]
    p = np.zeros(codes.shape[1], np.int8)
    z = np.empty(signs.shape[1], np.float32)
    table = np.empty(4 * signs.shape[1], np.uint8)
    bases, keys, order = np.empty(lists, np.float32), np.empty(lists, np.float32), np.empty(lists, np.int32)
    scores, rows = np.empty(pool, np.float64), np.empty(pool, np.int64)
    waiting, bounds = np.empty(_WAITING, np.int32), np.empty(_WAITING, np.float32)
    estimates = np.empty(LANES, np.float32)
    masked = mask.shape[0] > 0
    nearest, sizes = np.empty(k if masked else 0, np.float64), np.empty(2, np.int64)
    for position in range(queries.shape[0]):
        query = queries[position]
        scale, offset, base, length, residue = encode_query(query, mean, metric, p)
        doubt = DOUBT * (length * error + residue * radius) / np.sqrt(query.shape[0])
        squared = turn_query(query, mean, metric, signs, z)
        step, shift = build_table(z, table)
        score_lists(p, scale, offset, base, list_codes, list_factors, list_penalties, bases, keys, order)
        heapify(keys, order)
        sizes[0] = sizes[1] = 0
        probed, slack = 0, np.float32(np.inf)
        while probed < lists:
            if probed >= probes and sizes[0] >= k and not (masked and keys[0] <= scores[k - 1] + slack):
                break
            key = keys[0]
            target = pop_list(keys, order, lists - probed)
            probed += 1
            following = starts[order[0]]
            prefetch(block_codes.ctypes.data + following * block_codes.shape[1], _LIST_LINES)
            prefetch(block_factors.ctypes.data + following * 256, _LIST_LINES // 4)
            reach = bases[target] if metric == L2 else squared + list_squares[target] + 2.0 * bases[target]
            margin = np.float32(CONFIDENCE * SPREAD * np.sqrt(max(reach, 0.0)))
            scan_list(
                starts[target], starts[target + 1], bases[target], step, shift + margin, k, p, scale, offset, base,
                codes, factors, table, block_codes, block_factors, block_rows, mask, slack == np.inf, estimates,
                waiting, bounds, doubt, scores, rows, nearest, sizes,
            )  # fmt: skip
            if masked and probed >= probes and slack == np.inf and sizes[1] == k:
                slack = key - np.float32(nearest[k - 1])
        ranked = k
        while ranked < sizes[0] and scores[ranked] <= scores[k - 1] + doubt:
            ranked += 1
        rank_rows(query, vectors, metric, rows[: min(ranked, sizes[0])], out_rows[position], out_distances[position])


@helper
def turn_query(query: Any, mean: Any, metric: int, signs: Any, z: Any) -> float:
    """z = P (q' - m), padded with zeros; returns |q'|^2."""
    dimension = query.shape[0]
    norm = row_norm(query.ctypes.data, dimension)
    inverse = np.float32(1.0 / norm) if metric == COSINE and norm > 0.0 else np.float32(1.0)
    for i in range(dimension):
        z[i] = query[i] * inverse - mean[i]
    for i in range(dimension, z.shape[0]):
        z[i] = 0.0
    rotate(z.ctypes.data, signs)
    if metric == COSINE:
        return 1.0 if norm > 0.0 else 0.0
    return norm * norm


@helper
def score_lists(
    p: Any, scale: float, offset: int, base: float, list_codes: Any, list_factors: Any, list_penalties: Any,
    bases: Any, keys: Any, order: Any,
) -> None:  # fmt: skip
    """bases[l] = the score of the l-th centroid by its 8-bit code, keys[l] what lists are ordered by, order[l] = l."""
    stride = list_codes.shape[1]
    blocks = stride // BLOCK
    start, query = list_codes.ctypes.data, p.ctypes.data
    slope, added = np.float32(scale), np.float32(base)
    for target in range(keys.shape[0]):
        signed = np.float32(twice_signed(dot_codes(start + target * stride, query, blocks), offset))
        bases[target] = added + list_factors[target, 0] + list_factors[target, 1] * slope * signed
        keys[target] = bases[target] + list_penalties[target]
        order[target] = target


@helper
def scan_list(
    first: int, last: int, list_base: Any, step: Any, shift: Any, k: int, p: Any, scale: float, offset: int,
    base: float, codes: Any, factors: Any, table: Any, block_codes: Any, block_factors: Any, block_rows: Any, mask: Any,
    referring: bool, estimates: Any, waiting: Any, bounds: Any, doubt: float,
    scores: Any, rows: Any, nearest: Any, sizes: Any,
) -> None:  # fmt: skip
    """Offer the rows of blocks [first, last) to the sorted best (scores, rows), of which there are sizes[0].

    With a mask, while `referring`, also to the k scores `nearest` of all rows, of which there are sizes[1].
    """
    width = block_codes.shape[1]
    stride = codes.shape[1]
    masked = mask.shape[0] > 0
    waits = 0
    limit = limit_of(scores, sizes[0], k)
    for block in range(first, last):
        wanted = allowed_lanes(block_rows, block, mask) if masked and not referring else np.uint64(ALL_LANES)
        if wanted == 0:
            continue
        bits = wanted & scan_block(
            block_codes.ctypes.data + block * width, table.ctypes.data, width // 256,
            block_factors.ctypes.data + block * 256, step, shift, limit - list_base, estimates.ctypes.data,
        )  # fmt: skip
        while bits != 0:
            lane = lowest_bit(bits)
            bits &= bits - np.uint64(1)
            row = block_rows[block, lane]
            bound = estimates[lane] + list_base
            shown = row
            if referring and masked and mask[row] == 0:
                if bound > limit_of(nearest, sizes[1], k):
                    continue
                shown = ~row
            prefetch(codes.ctypes.data + np.int64(row) * stride, stride // BLOCK)
            prefetch(factors.ctypes.data + np.int64(row) * 8, 1)
            waiting[waits] = shown
            bounds[waits] = bound
            waits += 1
        if waits >= LANES or sizes[0] < k:
            score_rows(waiting[:waits], bounds, limit, p, scale, offset, base, codes, factors, masked and referring,
                       k, doubt, scores, rows, nearest, sizes)  # fmt: skip
            limit = limit_of(scores, sizes[0], k)
            waits = 0
    score_rows(waiting[:waits], bounds, limit, p, scale, offset, base, codes, factors, masked and referring,
               k, doubt, scores, rows, nearest, sizes)  # fmt: skip


@helper
def allowed_lanes(block_rows: Any, block: int, mask: Any) -> Any:
    """The lanes of a block whose rows the mask allows. No branch goes by the mask: no CPU could predict it."""
    allowed = np.uint64(0)
    for lane in range(LANES):
        row = np.uint64(max(block_rows[block, lane], 0))
        allowed |= np.uint64(mask[row] != 0) << np.uint64(lane)
    return allowed


@helper
def limit_of(scores: Any, size: int, k: int) -> Any:
    """The k-th of the sorted scores as float32, or infinity while there are fewer."""
    return np.float32(scores[k - 1]) if size >= k else np.float32(np.inf)


@helper
def score_rows(
    waiting: Any, bounds: Any, limit: Any, p: Any, scale: float, offset: int, base: float, codes: Any, factors: Any,
    referring: bool, k: int, doubt: float, scores: Any, rows: Any, nearest: Any, sizes: Any,
) -> None:  # fmt: skip
    """Offer the waiting rows by their 8-bit scores; a complemented one is not allowed and only a reference."""
    stride = codes.shape[1]
    for position in range(waiting.shape[0]):
        if bounds[position] > limit:
            continue
        shown = np.int64(waiting[position])
        row = max(shown, ~shown)
        address = codes.ctypes.data + row * stride
        signed = np.float64(twice_signed(dot_codes(address, p.ctypes.data, stride // BLOCK), offset))
        score = base + np.float64(factors[row, 0]) + np.float64(factors[row, 1]) * scale * signed
        if shown >= 0 and (sizes[0] < k or score <= scores[k - 1] + doubt):
            sizes[0] = insert_ranked(scores, rows, sizes[0], scores.shape[0], score, row)
        if referring:
            sizes[1] = insert_value(nearest, sizes[1], nearest.shape[0], score)
