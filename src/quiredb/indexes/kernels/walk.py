"""The greedy best-first walk over one layer of neighbour rows: estimate by signs, rank by 8-bit codes.

    frontier    rows that were met, by score; most scores are one-bit estimates           (frontier.py)
    best        the rows that were expanded, by 8-bit score; at most `width`, sorted
    limit       an upper bound of the (width + SLACK)-th best score met: rows above it cannot matter (score_limit.py)

    take the least of the frontier; stop if `best` is full and all of it is nearer
    if its score is an estimate: score it by its 8-bit code; if it is no longer the least, put it back
    else: expand it: put it into `best`, estimate all its unseen neighbours at once, push those below the limit
    in the end look once more at rows whose estimates were too high by an error, perhaps: score them, expand none

So most rows that a walk meets cost one cache line and a few nanoseconds, and only those that come to the front, about
1.7 for each expansion, are read in 8 bits. Three rows are expanded at a time, which keeps memory busy: their
neighbours' records are prefetched together, and so are the codes and neighbours of whatever is next in the frontier.

Sources: best-first walks as in HNSW (arXiv 1603.09320) and Vamana (DiskANN, NeurIPS 2019); one layer is enough in high
dimension (arXiv 2412.01940); one-bit estimates of neighbours as in SymphonyQG (arXiv 2411.12229), but of the row itself
and not of the edge, which needs an eighth of its memory; the lazy second stage and the limit are ours.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from quiredb.indexes.kernels.frontier import NOTHING, ROOT, as_key, pop, push, row_of, score_of
from quiredb.indexes.kernels.pointers import address_of, int32_pointer
from quiredb.indexes.kernels.registry import helper
from quiredb.indexes.kernels.score_limit import BINS, count_score, limit_at, start_limit
from quiredb.indexes.kernels.scoring import code_score, estimate_fresh, estimate_records
from quiredb.indexes.kernels.simd import clear_bytes, prefetch
from quiredb.indexes.kernels.sorted_keys import is_copy, keep

SEEDS = 4
"""Entries the walk starts from: the best of all entries by estimate."""
EXPANDED_AT_ONCE = 3
SLACK = 16
"""Rows beyond `width` that the limit leaves room for: estimates err."""
SETTLED = 32
"""Rows a walk expands on its way to the query, at most; those after them are around it."""
LOOKS = 24
"""Rows of the frontier that are looked at in the end, at most."""
_LINE = 64


class Gates(NamedTuple):
    """Where walks begin: a pointer to the entry rows, the address of a copy of their records, and their number."""

    rows: Any
    records: Any
    count: Any


class Reach(NamedTuple):
    """How far a walk goes; see `walk`."""

    width: Any
    least: Any
    ties: Any
    budget: Any
    probed: Any
    rare: Any
    capacity: Any
    """How many of the best rows are kept: `width`, or more where more are to be ranked exactly."""
    k: Any
    margin: Any
    """How far behind the k-th score an estimate may be, for a last look at its row."""


@helper
def open_row(table: Any, scratch: Any, row: Any, found: Any) -> Any:
    """Append the unseen neighbours of a row to scratch.fresh[:found], now seen; returns how many there are."""
    neighbours = int32_pointer(table.neighbours + row * table.degree * 4)
    first = found
    for position in range(table.degree):
        neighbour = np.int64(neighbours[position])
        if np.uint64(neighbour) >= np.uint64(table.count):
            break
        word, bit = neighbour >> 6, np.uint64(neighbour & 63)
        seen = scratch.seen[word]
        scratch.seen[word] = seen | (np.uint64(1) << bit)
        scratch.fresh[found] = neighbour
        found += 1 - np.int64((seen >> bit) & np.uint64(1))
    lines = (table.record_stride + _LINE - 1) // _LINE
    for i in range(first, found):
        record = table.records + np.int64(scratch.fresh[i]) * table.record_stride
        prefetch(record, 1)
        if lines > 1:
            prefetch(record + _LINE, lines - 1)
    return found


@helper
def fetch(table: Any, row: int) -> None:
    """Prefetch the code and the neighbours of a row."""
    prefetch(table.codes + row * table.code_stride, table.code_stride // _LINE)
    at = table.neighbours + row * table.degree * 4
    prefetch(at, ((at & (_LINE - 1)) + table.degree * 4 + _LINE - 1) // _LINE)


@helper
def seed(table: Any, gates: Any, query: Any, scratch: Any) -> int:
    """Push the best entries by estimate, but one of each score, into the empty frontier; returns how many."""
    count = gates.count
    for i in range(count):
        scratch.fresh[i] = i
    estimate_records(gates.records, table.record_stride, query, scratch, count)
    chosen, kept = scratch.seeds, 0
    for i in range(count):
        score = scratch.estimates[i]
        key = as_key(score, np.int64(gates.rows[i]), 0)
        if (kept < SEEDS or key < chosen[SEEDS - 1]) and not is_copy(chosen, kept, score, 1):
            kept = keep(chosen, kept, SEEDS, key)
    size = 0
    for i in range(kept):
        row = row_of(chosen[i])
        scratch.seen[row >> 6] |= np.uint64(1) << np.uint64(row & 63)
        fetch(table, row)
        size = push(scratch.heap, size, chosen[i])
    return size


@helper
def pick(table: Any, scratch: Any, size: Any) -> Any:
    """Take the next rows to look at from the frontier and prefetch what they need; returns how many, and its size."""
    picked = 0
    while size > 0 and picked < EXPANDED_AT_ONCE:
        key = scratch.heap[ROOT]
        scratch.picks[picked] = key
        size = pop(scratch.heap, size)
        if key & 1 == 0:
            fetch(table, row_of(key))
        picked += 1
    return picked, size


@helper
def keep_below(scratch: Any, found: int, bound: Any) -> Any:
    """Drop estimates that are not below the bound, without a branch; returns how many are left."""
    chosen: Any = 0
    for i in range(found):
        score, row = scratch.estimates[i], scratch.fresh[i]
        scratch.estimates[chosen], scratch.fresh[chosen] = score, row
        chosen += np.int64(score < bound)
    return chosen


@helper
def look_again(table: Any, query: Any, mask: Any, reach: Any, scratch: Any, size: Any, best: Any, kept: Any) -> Any:
    """Score those rows of the frontier that may belong to the best k and keep them among best[:kept], if they do.

    An estimate errs, so the walk may end with one of the nearest rows still before it. Returns the size of the frontier
    and how many of the best there are.
    """
    looked, bar = 0, score_of(best[reach.k - 1]) + reach.margin
    for _ in range(min(LOOKS, size)):
        key = scratch.heap[ROOT]
        if not score_of(key) < bar:
            break
        size = pop(scratch.heap, size)
        row = row_of(key)
        if key & 1 == 0 and (mask.shape[0] == 0 or mask[row] != 0):
            prefetch(table.codes + row * table.code_stride, table.code_stride // _LINE)
            scratch.fresh[looked] = row
            looked += 1
    scratch.work[2] += looked
    for i in range(looked):
        chosen = np.int64(scratch.fresh[i])
        score = code_score(table, query, chosen)
        if not is_copy(best, kept, score, reach.ties):
            kept = keep(best, kept, reach.capacity, as_key(score, chosen, 1))
    return size, kept


@helper
def walk(table: Any, gates: Any, query: Any, mask: Any, reach: Any, scratch: Any, best: Any) -> int:
    """Fill best[:capacity] (int64 keys, sorted) with the nearest rows that were scored; returns how many.

    The walk ends when `width` of them are nearer than all that is left. With a mask only allowed rows count as best;
    the walk passes through the others. It is content with fewer of the best, but `least`, the fewer of the rows it
    meets are allowed: with width * sqrt(share met). At most `ties` rows of one score are expanded: copies of one
    vector would fill `best` and end the walk. At most `budget` rows are expanded.
    If fewer than `rare` of `probed` rows around the query are allowed, nothing is returned: what is, is not near.
    The scratch is clean again on return, but for what it counts.
    """
    masked = mask.shape[0] > 0
    size = seed(table, gates, query, scratch)
    heap, work = scratch.heap, scratch.work
    work[1] += gates.count
    limit = start_limit(scratch, query, size, reach.width + SLACK)
    last, counted, found = BINS - 1, 0, 0
    kept, expanded, running, around = 0, 0, True, 0
    while running:
        picked, size = pick(table, scratch, size)
        if picked == 0 and found == 0:
            break
        estimate_fresh(table, query, scratch, found)
        work[1] += found
        for i in range(keep_below(scratch, found, limit_at(limit, last))):
            score, met = scratch.estimates[i], np.int64(scratch.fresh[i])
            size = push(heap, size, as_key(score, met, 0))
            if not masked or mask[met] != 0:
                last, counted = count_score(limit, last, counted, score)
        found = 0
        for i in range(picked):
            key = scratch.picks[i]
            row = row_of(key)
            if key & 1 == 0:
                work[2] += 1
                key = as_key(code_score(table, query, row), row, 1)
            if key > heap[ROOT]:
                size = push(heap, size, key)
                continue
            needed: Any = reach.width
            if masked and expanded > 0:
                needed = max(reach.least, np.int64(reach.width * np.sqrt(kept / expanded)))
            if (kept >= needed and key >= best[needed - 1]) or expanded == reach.budget:
                running = False
                continue
            if is_copy(best, kept, score_of(key), reach.ties):
                continue
            if not masked or mask[row] != 0:
                kept = keep(best, kept, reach.capacity, key)
                around += int(expanded >= SETTLED)
            found = open_row(table, scratch, row, found)
            expanded += 1
            if expanded == SETTLED + reach.probed and around < reach.rare:
                kept, running = 0, False
    work[0] += expanded
    if kept >= reach.k:
        size, kept = look_again(table, query, mask, reach, scratch, size, best, kept)
    for i in range(size):
        heap[ROOT + i] = NOTHING
    clear_bytes(address_of(scratch.seen), (table.count + 63) // 64 * 8)
    return kept
