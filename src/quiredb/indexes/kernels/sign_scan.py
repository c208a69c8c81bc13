"""A scan of allowed rows by their records: estimates by signs, 8-bit scores of what passes, float64 for the best.

    take 64 places of the mask, skip them if none is allowed, fetch the records of those that are
    estimate them; a row passes whose estimate, less CAUTION standard deviations, is not above the k-th score so far
    of those that passed, fetch and score by 8 bits the best by estimate, then those that are still not above the k-th
    at the end: float64 distances of the k best, and of those that the error of 8-bit scores leaves in question

The best by estimate come first because nearly all of the k nearest are among them: after them the k-th score is near
its end, and most of the others need not be scored. One place in sixteen is looked at before all others, in whatever
order rows were written, so that few rows pass at all. Where a filter cuts through a crowd of rows at about one
distance, as "far from here" does, most do. If more than STREAMED of the sample did, there are no further estimates:
all codes are read from there on, allowed or not, because memory that is read straight through comes three times as
fast as rows picked from it (`scan_scores.py`).

Time: 5 ns for an allowed row and 30 ns for one that is scored, at 384 dimensions; at most some 13 ns for each row of
all.

Sources: one-bit estimates with error bounds as in RaBitQ (arXiv 2405.12497), over records made for the graph.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from quiredb.indexes.kernels.best_scores import Best, drop_beyond, limit_of
from quiredb.indexes.kernels.exact import rank_rows
from quiredb.indexes.kernels.fast_scan import SPREAD
from quiredb.indexes.kernels.graph_search import code_query, score_doubt
from quiredb.indexes.kernels.mask_words import PLACES, allowed_bits, count_bits, lowest_bit
from quiredb.indexes.kernels.pointers import float32_pointer, int32_pointer, int64_pointer
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
from quiredb.indexes.kernels.scan_scores import PICKS, PROBES, settle, stream_word
from quiredb.indexes.kernels.scoring import CodedQuery, Table
from quiredb.indexes.kernels.sign_bounds import LANES, Sieve, sift
from quiredb.indexes.kernels.sign_codes import OPTIMISM
from quiredb.indexes.kernels.sign_dots import planes_length
from quiredb.indexes.kernels.simd import prefetch

CAUTION = 3.0
"""Standard deviations an estimate may be too large by: one row in seven hundred is worse."""
SAMPLED = 16
"""Of so many times 64 places, one is looked at first."""
HELD = 128
"""Rows whose records are fetched before they are estimated."""
WAITING = 4096
"""Rows that may wait for their scores."""
STREAMED = 0.33
"""The share of rows that pass, among all where some are allowed, from which all codes are read in one stream."""


@helper
def fetch_record(table: Any, row: int, lines: int) -> None:
    """Prefetch the record of a row; hardly any have more than two lines."""
    at = table.records + row * table.record_stride
    prefetch(at, 1)
    if lines > 1:
        prefetch(at + 64, 1)
    if lines > 2:
        prefetch(at + 128, lines - 2)


@helper
def count_likely(sieve: Any, waits: int, best: Any) -> Any:
    """How many of the waiting rows of the sample would pass at the end: where the k-th score of all rows will be, the
    sample has a rank that is smaller by its share.
    """
    rank = max(1, best.k // SAMPLED)
    limit = best.nearest[rank - 1] if best.sizes[0] >= rank else np.float32(np.inf)
    count: Any = 0
    for position in range(waits):
        count += np.int64(not sieve.bounds[position] > limit)
    return count


@helper
def scan_allowed(table: Any, factors: Any, query: Any, mask: Any, sieve: Any, best: Any, work: Any) -> None:
    """Find the best allowed rows. `best` is empty before."""
    words = (mask.shape[0] + PLACES - 1) // PLACES
    sample = (words + SAMPLED - 1) // SAMPLED
    lines = (table.record_stride + 63) // 64
    step, held, waits, places, passed = 0, 0, 0, 0, 0
    while step < words and (step < sample or passed <= STREAMED * places):
        word = word_at(step, words)
        step += 1
        bits = allowed_bits(mask, word)
        places += PLACES if bits != 0 and step <= sample else 0
        while bits != 0:
            row = word * PLACES + lowest_bit(bits)
            bits &= bits - np.uint64(1)
            sieve.fresh[held] = row
            held += 1
            fetch_record(table, row, lines)
        last = step in (sample, words)
        if held > HELD - PLACES or last:
            waits = sift(table, query, held, limit_of(best), sieve, waits)
            work[1] += held
            held = 0
        if waits > WAITING - HELD or last:
            work[2] += settle(table, query, sieve, waits, best)
            passed += count_likely(sieve, waits, best) if step <= sample else 0
            waits = 0
    for rest in range(step, words):
        word = word_at(rest, words)
        bits = allowed_bits(mask, word)
        if bits != 0:
            work[2] += count_bits(bits)
            stream_word(table, factors, query, word, bits, best)
    drop_beyond(best, limit_of(best) + best.doubt)


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
    # Nobody walks here: there are no neighbours.
    table = Table(records.ctypes.data, records.shape[1], codes.ctypes.data, codes.shape[1], 0, 0, codes.shape[0])
    room = HELD + LANES
    at_hand, waiting = np.empty((3, room), np.int32), np.empty((2, WAITING), np.int32)
    picks, least = np.empty(PICKS, np.int32), np.empty(PROBES, np.float32)
    nearest, scores, rows = np.empty(k, np.float32), np.empty(pool, np.float32), np.empty(pool, np.int64)
    sizes = np.zeros(2, np.int64)
    for position in range(queries.shape[0]):
        query = queries[position]
        plain, squared = code_query(
            query, centre, metric, rotation, 0.0, float32_pointer(z.ctypes.data), planes.ctypes.data, code.ctypes.data
        )  # fmt: skip
        length = np.sqrt(squared)
        shift = plain.sign_shift + np.float32((CAUTION * SPREAD - OPTIMISM) * length)
        cautious = CodedQuery(
            plain.planes, size, plain.sign_step, shift, plain.code, plain.code_step, plain.code_offset, plain.lowest
        )  # fmt: skip
        doubt = score_doubt(squared, plain.code_step, error, radius, query.shape[0], metric)
        sieve = Sieve(
            int32_pointer(at_hand[0].ctypes.data), int32_pointer(at_hand[1].ctypes.data),
            float32_pointer(at_hand[2].ctypes.data), int32_pointer(waiting[0].ctypes.data),
            float32_pointer(waiting[1].ctypes.data), int32_pointer(picks.ctypes.data),
            float32_pointer(least.ctypes.data),
        )  # fmt: skip
        best = Best(
            float32_pointer(nearest.ctypes.data), k, float32_pointer(scores.ctypes.data),
            int64_pointer(rows.ctypes.data), pool, np.float32(doubt), int64_pointer(sizes.ctypes.data),
        )  # fmt: skip
        sizes[:] = 0
        scan_allowed(table, factors, cautious, mask, sieve, best, work)
        candidates = rows[: sizes[1]]
        work[3] += candidates.shape[0]
        rank_rows(query, vectors, metric, candidates, out_rows[position], out_distances[position])
