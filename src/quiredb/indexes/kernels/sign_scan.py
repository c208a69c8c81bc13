"""A scan of allowed rows by their records: estimates by signs, 8-bit scores of what passes, float64 for the best.

    take 64 places of the mask, skip them if none is allowed, fetch the records of those that are
    estimate them; a row passes whose estimate, less CAUTION standard deviations, is not above the k-th score so far
    fetch the codes of those that pass; score them by 8 bits while the next are estimated
    at the end: float64 distances of the k best, and of those that the error of 8-bit scores leaves in question

One place in sixteen is looked at first, so that the k-th score is near its end before the bulk comes, in whatever order
rows were written. Where a filter cuts through a crowd of rows at about one distance, as "far from here" does, most rows
pass. If more than STREAMED of the sample did, there are no further estimates: all codes are read from there on, allowed
or not, because memory that is read straight through comes three times as fast as rows picked from it.

Time: 5 ns for an allowed row and 35 ns for one that passes, at 384 dimensions; at most some 13 ns for each row of all.

Sources: one-bit estimates with error bounds as in RaBitQ (arXiv 2405.12497), over records made for the graph.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from quiredb.indexes.kernels.exact import rank_rows
from quiredb.indexes.kernels.fast_scan import SPREAD
from quiredb.indexes.kernels.graph_search import code_query, score_doubt
from quiredb.indexes.kernels.level import dot_codes
from quiredb.indexes.kernels.mask_words import PLACES, allowed_bits, count_bits, lowest_bit
from quiredb.indexes.kernels.pointers import float32_pointer
from quiredb.indexes.kernels.quantize import twice_signed
from quiredb.indexes.kernels.ranking import insert_value
from quiredb.indexes.kernels.registry import (
    filled,
    float32,
    float64,
    given,
    helper,
    int64,
    kernel,
    uint8,
    void,
)
from quiredb.indexes.kernels.scoring import CodedQuery, Table, code_score, estimate_fresh
from quiredb.indexes.kernels.sign_codes import OPTIMISM
from quiredb.indexes.kernels.sign_dots import TOGETHER, planes_length
from quiredb.indexes.kernels.simd import BLOCK, prefetch
from quiredb.indexes.kernels.workspace import make_scratch, scratch_length

CAUTION = 3.0
"""Standard deviations an estimate may be too large by: one row in seven hundred is worse."""
SAMPLED = 16
"""Of so many times 64 places, one is looked at first."""
HELD = 128
"""Rows whose records are fetched before they are estimated."""
AHEAD = 16
"""How many rows ahead of its score a code is fetched."""
STREAMED = 0.28
"""The share of rows that pass, among all where some are allowed, from which all codes are read in one stream."""


class Best(NamedTuple):
    """The best so far by 8-bit score.

    nearest: the k least scores, sorted. scores, rows: those that may be among them by a better measure, in no order.
    sizes: how many there are of each.
    """

    nearest: Any
    scores: Any
    rows: Any
    sizes: Any


@helper
def limit_of(best: Any) -> Any:
    """The k-th least score, or infinity while there are fewer."""
    k = best.nearest.shape[0]
    return np.float32(best.nearest[k - 1]) if best.sizes[0] == k else np.float32(np.inf)


@helper
def drop_beyond(best: Any, limit: Any) -> None:
    """Keep only candidates whose scores are not above the limit."""
    kept: Any = 0
    for position in range(best.sizes[1]):
        score, row = best.scores[position], best.rows[position]
        best.scores[kept], best.rows[kept] = score, row
        kept += np.int64(score <= limit)
    best.sizes[1] = kept


@helper
def fetch_code(table: Any, row: Any) -> None:
    """Prefetch the 8-bit code of a row."""
    prefetch(table.codes + np.int64(row) * table.code_stride, table.code_stride // BLOCK)


@helper
def offer(table: Any, query: Any, waiting: Any, bounds: Any, doubt: Any, best: Any) -> None:
    """Score waiting rows whose bounds still allow it by 8 bits, and keep the best."""
    limit = limit_of(best)
    for position in range(waiting.shape[0]):
        if position + AHEAD < waiting.shape[0]:
            fetch_code(table, waiting[position + AHEAD])
        if bounds[position] > limit:
            continue
        row = np.int64(waiting[position])
        limit = keep_scored(code_score(table, query, row), row, limit, doubt, best)


@helper
def stream_word(table: Any, factors: Any, query: Any, word: int, bits: Any, doubt: Any, best: Any) -> None:
    """The same for the rows of the bits, without an estimate: codes and factors of the whole word are read.

    A row that is not allowed counts as far away: a branch of its own would be guessed wrong too often.
    """
    limit = limit_of(best)
    code, step, offset = query.code, query.code_step, query.code_offset
    blocks = table.code_stride // BLOCK
    for row in range(word * PLACES, min((word + 1) * PLACES, table.count)):
        dot = np.float32(twice_signed(dot_codes(table.codes + row * table.code_stride, code, blocks), offset))
        score = factors[row, 0] + factors[row, 1] * step * dot
        allowed = bits & np.uint64(1)
        bits >>= np.uint64(1)
        score = np.float32(np.inf) if allowed == 0 else score
        if score > limit + doubt or allowed == 0:
            continue
        limit = keep_scored(score, row, limit, doubt, best)


@helper
def keep_scored(score: Any, row: Any, limit: Any, doubt: Any, best: Any) -> Any:
    """Keep a row whose score is not above limit + doubt; returns the limit from now on.

    A score that is no number counts as infinite. Of crowds beyond the room for candidates the last ones are left out.
    """
    if not score <= limit + doubt:
        if limit < np.inf:
            return limit
        score = np.float32(np.inf)
    if score < limit or limit == np.inf:
        best.sizes[0] = insert_value(best.nearest, best.sizes[0], best.nearest.shape[0], np.float64(score))
        limit = limit_of(best)
    if best.sizes[1] == best.scores.shape[0]:
        drop_beyond(best, limit + doubt)
    if best.sizes[1] < best.scores.shape[0]:
        best.scores[best.sizes[1]], best.rows[best.sizes[1]] = score, row
        best.sizes[1] += 1
    return limit


@helper
def sift(table: Any, query: Any, held: int, limit: Any, scratch: Any, waiting: Any, bounds: Any) -> int:
    """Estimate scratch.fresh[:held]; those not above the limit wait. Returns how many."""
    estimate_fresh(table, query, scratch, held)
    passed = 0
    for i in range(held):
        bound, row = scratch.estimates[i], scratch.fresh[i]
        waiting[passed], bounds[passed] = row, bound
        if not bound > limit:
            if passed < AHEAD:
                fetch_code(table, row)
            passed += 1
    return passed


@helper
def scan_allowed(
    table: Any, factors: Any, query: Any, mask: Any, doubt: Any, scratch: Any, waiting: Any, bounds: Any,
    best: Any, work: Any,
) -> None:  # fmt: skip
    """Find the best allowed rows. `best` is empty before."""
    words = (mask.shape[0] + PLACES - 1) // PLACES
    sample = (words + SAMPLED - 1) // SAMPLED
    lines = (table.record_stride + 63) // 64
    step, held, waits, span, places, passed = 0, 0, 0, 0, 0, 0
    while step < words and (step < sample or passed <= STREAMED * places):
        word = word_at(step, words)
        bits = allowed_bits(mask, word)
        span += PLACES if bits != 0 else 0
        while bits != 0:
            row = word * PLACES + lowest_bit(bits)
            bits &= bits - np.uint64(1)
            scratch.fresh[held] = row
            held += 1
            prefetch(table.records + row * table.record_stride, lines)
        step += 1
        if held > HELD - PLACES or (step == words and held > 0):
            offer(table, query, waiting[:waits], bounds, doubt, best)
            waits = sift(table, query, held, limit_of(best), scratch, waiting, bounds)
            work[1] += held
            work[2] += waits
            if step > sample // 2:
                places, passed = places + span, passed + waits
            held, span = 0, 0
    offer(table, query, waiting[:waits], bounds, doubt, best)
    for i in range(held):
        limit = limit_of(best)
        keep_scored(code_score(table, query, np.int64(scratch.fresh[i])), scratch.fresh[i], limit, doubt, best)
    work[2] += held
    for rest in range(step, words):
        word = word_at(rest, words)
        bits = allowed_bits(mask, word)
        if bits != 0:
            work[2] += count_bits(bits)
            stream_word(table, factors, query, word, bits, doubt, best)
    drop_beyond(best, limit_of(best) + doubt)


@helper
def word_at(step: int, words: int) -> int:
    """The order of words: every SAMPLED-th first, then the others."""
    first = (words + SAMPLED - 1) // SAMPLED
    if step < first:
        return step * SAMPLED
    rest = step - first
    return rest + rest // (SAMPLED - 1) + 1


@kernel(
    void,
    given(float32, 2),
    given(uint8, 2),
    given(float32, 2),
    given(float32),
    given(float32, 2),
    given(uint8, 2),
    int64,
    float64,
    float64,
    given(float32, 2),
    int64,
    given(uint8),
    filled(int64),
    filled(int64, 2),
    filled(float64, 2),
)
def sign_scan(
    vectors: Any,
    codes: Any,
    factors: Any,
    centre: Any,
    rotation: Any,
    records: Any,
    metric: int,
    error: float,
    radius: float,
    queries: Any,
    pool: int,
    mask: Any,
    work: Any,
    out_rows: Any,
    out_distances: Any,
) -> None:
    """Fill out_rows[b, k] and out_distances[b, k] with the nearest allowed rows; padded with -1 and inf.

    Some `pool` rows at most get float64 distances. `error` and `radius`: what flat's errors and radii typically are.
    work[1:4] += (rows estimated, scored by code, reranked).
    """
    size, k = rotation.shape[1], out_rows.shape[1]
    z, planes, code = np.empty(size, np.float32), np.empty(planes_length(size), np.uint8), np.empty(size, np.int8)
    room = HELD + TOGETHER
    memory, no_heap = np.zeros(scratch_length(0, room), np.uint64), np.empty(0, np.int64)
    # Nobody walks here: there are no neighbours.
    table = Table(records.ctypes.data, records.shape[1], codes.ctypes.data, codes.shape[1], 0, 0, codes.shape[0])
    waiting, bounds = np.empty(room, np.int32), np.empty(room, np.float32)
    best = Best(np.empty(k, np.float64), np.empty(pool, np.float32), np.empty(pool, np.int64), np.zeros(2, np.int64))
    for position in range(queries.shape[0]):
        query = queries[position]
        plain, squared = code_query(
            query, centre, metric, rotation, 0.0, float32_pointer(z.ctypes.data), planes.ctypes.data, code.ctypes.data
        )  # fmt: skip
        length = np.sqrt(squared)
        scratch = make_scratch(memory, no_heap, 0, room)
        shift = plain.sign_shift + np.float32((CAUTION * SPREAD - OPTIMISM) * length)
        cautious = CodedQuery(
            plain.planes, size, plain.sign_step, shift, plain.code, plain.code_step, plain.code_offset, plain.lowest
        )  # fmt: skip
        doubt = score_doubt(squared, plain.code_step, error, radius, query.shape[0], metric)
        best.sizes[0] = best.sizes[1] = 0
        scan_allowed(table, factors, cautious, mask, np.float32(doubt), scratch, waiting, bounds, best, work)
        candidates = best.rows[: best.sizes[1]]
        work[3] += candidates.shape[0]
        rank_rows(query, vectors, metric, candidates, out_rows[position], out_distances[position])
