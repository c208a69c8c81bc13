"""The greedy best-first walk over one layer of neighbour rows, on 8-bit codes.

The pool is one array sorted by estimated score; a row that has been expanded is stored as its complement. The walk
expands the first unexpanded entry until none is left. Codes are prefetched before they are scored and the neighbour
row of a promising node as soon as it enters the pool. Sources: HNSW (arXiv 1603.09320) and Vamana (DiskANN, NeurIPS
2019) for the walk, Glass for the sorted pool; one layer is enough in high dimension (arXiv 2412.01940).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from quiredb.indexes.kernels.level import dot_codes
from quiredb.indexes.kernels.quantize import twice_signed
from quiredb.indexes.kernels.registry import helper
from quiredb.indexes.kernels.simd import BLOCK, move_bytes, prefetch

SEEDS = 4
"""Entries the walk starts from: the best of all entries by estimate."""


@helper
def pool_insert(scores: Any, rows: Any, size: int, capacity: int, ties: int, score: Any, row: Any) -> tuple[int, int]:
    """Insert into the sorted pool (float32, int32), dropping the last when full. Returns (size, position).

    Where `ties` entries of this very score are there already, nothing changes and the position is `capacity`.
    """
    low, high = 0, size
    while low < high:
        middle = (low + high) >> 1
        if scores[middle] <= score:
            low = middle + 1
        else:
            high = middle
    if low >= ties and scores[low - ties] == score:
        return size, capacity
    if size == capacity:
        size -= 1
    at = scores.ctypes.data + low * 4
    move_bytes(at + 4, at, (size - low) * 4)
    at = rows.ctypes.data + low * 4
    move_bytes(at + 4, at, (size - low) * 4)
    scores[low] = score
    rows[low] = row
    return size + 1, low


@helper
def mark(seen: Any, row: int) -> bool:
    """Set the row's bit; true if it was not set before."""
    word = np.uint64(row) >> np.uint64(6)
    bit = np.uint64(1) << (np.uint64(row) & np.uint64(63))
    if seen[word] & bit:
        return False
    seen[word] |= bit
    return True


@helper
def clear(seen: Any, touched: Any, marked: int) -> None:
    """Clear the bits of the rows in touched[:marked], or all when more rows were marked than it holds."""
    if marked > touched.shape[0]:
        seen[:] = 0
        return
    for position in range(marked):
        seen[np.uint64(touched[position]) >> np.uint64(6)] = 0


@helper
def walk(
    p: Any, scale: float, offset: int, base: float, aside: Any, codes: Any, factors: Any, asides: Any, neighbours: Any,
    entries: Any, mask: Any, ties: int, scores: Any, rows: Any, best_scores: Any, best_rows: Any, seen: Any,
    touched: Any,
) -> tuple[int, int]:  # fmt: skip
    """Fill the pool (scores, rows) and, with a mask, the allowed best (best_scores, best_rows).

    Returns how many of each were filled. Without a mask the walk ends when every pool entry is expanded; with one
    also when the best allowed rows are complete and nearer than anything left to expand. At most `ties`
    rows of one score enter the pool: copies of one vector would fill it and end the walk. `asides` is the extra
    coordinate of an augmented build (empty: none), `aside` the query's. Pool rows may be complemented on return.
    """
    stride = codes.shape[1]
    blocks = stride // BLOCK
    start, query = codes.ctypes.data, p.ctypes.data
    count, degree = neighbours.shape
    capacity, best_capacity = rows.shape[0], best_rows.shape[0]
    masked, augmented = mask.shape[0] > 0, asides.shape[0] > 0
    step, shift = np.float32(scale), np.float32(base)
    size, best, marked = 0, 0, 0
    fresh = np.empty(max(degree, 1), np.int32)
    touched_capacity = touched.shape[0]

    for position in range(entries.shape[0]):
        row = entries[position]
        dot = twice_signed(dot_codes(start + np.int64(row) * stride, query, blocks), offset)
        score = shift + factors[row, 0] + factors[row, 1] * step * np.float32(dot)
        if augmented:
            gap = aside - asides[row]
            score += gap * gap
        if size < min(SEEDS, capacity) or score < scores[size - 1]:
            size, _ = pool_insert(scores, rows, size, min(SEEDS, capacity), 1, score, row)
    for position in range(size):
        row = rows[position]
        mark(seen, row)
        if marked < touched_capacity:
            touched[marked] = row
        marked += 1
        if masked and mask[row] != 0:
            best, _ = pool_insert(best_scores, best_rows, best, best_capacity, best_capacity, scores[position], row)

    cursor = 0
    while cursor < size:
        row = rows[cursor]
        if row < 0:
            cursor += 1
            continue
        if masked and best == best_capacity and scores[cursor] > best_scores[best - 1]:
            break
        rows[cursor] = ~row
        cursor += 1
        found = 0
        for position in range(degree):
            neighbour = neighbours[row, position]
            if neighbour < 0 or neighbour >= count:
                break
            if mark(seen, neighbour):
                fresh[found] = neighbour
                found += 1
                prefetch(start + np.int64(neighbour) * stride, blocks)
                if marked < touched_capacity:
                    touched[marked] = neighbour
                marked += 1
        for position in range(found):
            neighbour = fresh[position]
            dot = twice_signed(dot_codes(start + np.int64(neighbour) * stride, query, blocks), offset)
            score = shift + factors[neighbour, 0] + factors[neighbour, 1] * step * np.float32(dot)
            if augmented:
                gap = aside - asides[neighbour]
                score += gap * gap
            if masked and mask[neighbour] != 0 and (best < best_capacity or score < best_scores[best - 1]):
                best, _ = pool_insert(best_scores, best_rows, best, best_capacity, best_capacity, score, neighbour)
            if size == capacity and not score < scores[size - 1]:
                continue
            size, place = pool_insert(scores, rows, size, capacity, ties, score, neighbour)
            if place <= cursor + 2:
                prefetch(neighbours.ctypes.data + np.int64(neighbour) * degree * 4, (degree + 15) >> 4)
            if place < cursor:
                cursor = place
    clear(seen, touched, marked)
    return size, best
