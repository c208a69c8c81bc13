"""The second stage of a scan by signs: 8-bit scores of rows that passed the first, picked or in one stream."""

from __future__ import annotations

from typing import Any

import numpy as np

from quiredb.indexes.kernels.best_scores import insert_score, keep_scored, limit_of
from quiredb.indexes.kernels.level import dot_codes, dot_rows
from quiredb.indexes.kernels.mask_words import PLACES
from quiredb.indexes.kernels.pointers import address_of, float32_pointer
from quiredb.indexes.kernels.quantize import twice_signed
from quiredb.indexes.kernels.registry import helper
from quiredb.indexes.kernels.row_dots import TOGETHER
from quiredb.indexes.kernels.simd import BLOCK, prefetch

BATCH = 32
"""Rows whose codes are fetched before they are scored."""
PICKS = 2 * (BATCH + TOGETHER)
"""Room for one batch that is fetched and one that is scored, in whole rounds of products."""
SURE = 16
"""Of the rows that wait, the best 2 k + 2 SURE by estimate are scored first."""
PROBES = 128
"""Rows that tell where the best end."""


@helper
def cut_of(sieve: Any, size: int, wanted: int) -> Any:
    """About the wanted-th least of the first `size` bounds, judged by some; infinity where these are hardly more."""
    if size <= 2 * wanted:
        return np.float32(np.inf)
    probes = min(size, PROBES)
    rank = 1 + probes * wanted // size
    kept: Any = 0
    for probe in range(probes):
        kept = insert_score(sieve.least, kept, rank, sieve.bounds[probe * size // probes])
    return sieve.least[rank - 1]


@helper
def fetch_scored(table: Any, row: Any, size: int) -> None:
    """Prefetch what the 8-bit score of a row takes."""
    prefetch(table.codes + row * table.code_stride, table.code_stride // BLOCK)
    prefetch(table.records + row * table.record_stride + (size >> 3), 1)


@helper
def score_batch(table: Any, query: Any, sieve: Any, first: int, count: int, best: Any) -> None:
    """Score the rows sieve.picks[first : first + count] by 8 bits and keep the best."""
    for i in range(first + count, first + count + TOGETHER - 1):
        sieve.picks[i] = sieve.picks[first]
    dot_rows(
        table.codes, table.code_stride, address_of(sieve.picks) + 4 * first, (count + TOGETHER - 1) // TOGETHER,
        query.code, table.code_stride // BLOCK, address_of(sieve.dots),
    )  # fmt: skip
    limit = limit_of(best)
    for i in range(count):
        row = np.int64(sieve.picks[first + i])
        factors = float32_pointer(table.records + row * table.record_stride + (query.size >> 3))
        dot = np.float32(twice_signed(sieve.dots[i], query.code_offset))
        score = factors[0] + factors[2] * query.code_step * dot
        limit = keep_scored(score, row, limit, best)


@helper
def score_part(table: Any, query: Any, sieve: Any, waits: int, cut: Any, beyond: bool, best: Any) -> int:
    """Score those of the waiting rows whose bounds are beyond the cut, or those whose are not, unless they are above
    the limit by then; returns how many were scored. One batch is fetched while the one before it is scored.
    """
    position, scored, before, side = 0, 0, 0, 0
    while position < waits or before > 0:
        limit = limit_of(best)
        count: Any = 0
        while position < waits and count < BATCH:
            bound = sieve.bounds[position]
            sieve.picks[side + count] = sieve.rows[position]
            count += np.int64((bound > cut) == beyond) & np.int64(not bound > limit)
            position += 1
        for i in range(count):
            fetch_scored(table, np.int64(sieve.picks[side + i]), query.size)
        side = BATCH + TOGETHER - side
        if before > 0:
            score_batch(table, query, sieve, side, before, best)
        scored += count
        before = count
    return scored


@helper
def settle(table: Any, query: Any, sieve: Any, waits: int, best: Any) -> int:
    """Score the rows that wait as far as they can be among the best, likely ones first; returns how many."""
    cut = cut_of(sieve, waits, 2 * (best.k + SURE))
    scored = score_part(table, query, sieve, waits, cut, False, best)
    if cut < np.inf:
        scored += score_part(table, query, sieve, waits, cut, True, best)
    return scored


@helper
def stream_word(table: Any, factors: Any, query: Any, word: int, bits: Any, best: Any) -> None:
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
        if score > limit + best.doubt or allowed == 0:
            continue
        limit = keep_scored(score, row, limit, best)
