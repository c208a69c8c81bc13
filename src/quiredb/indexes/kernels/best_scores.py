"""The best rows of a scan by 8-bit score, and all whose scores are so near to the k-th that they may be among them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from quiredb.indexes.kernels.pointers import address_of
from quiredb.indexes.kernels.registry import helper
from quiredb.indexes.kernels.simd import move_bytes


class Best(NamedTuple):
    """The best so far by 8-bit score, by pointers: arrays would be counted up and down for each row.

    nearest: the k least scores (float32), sorted. scores (float32), rows (int64): up to `room` that may be among them
    by a better measure, as their scores are at most `doubt` above the k-th, in no order. sizes (int64): how many there
    are of each.
    """

    nearest: Any
    k: Any
    scores: Any
    rows: Any
    room: Any
    doubt: Any
    sizes: Any


@helper
def insert_score(nearest: Any, size: int, capacity: int, score: Any) -> int:
    """Put a score (float32) among the sorted nearest[:size], the `capacity` least of all; returns how many are kept."""
    if size == capacity:
        if score >= nearest[size - 1]:
            return size
        size -= 1
    low, high = 0, size
    while low < high:
        middle = (low + high) >> 1
        if nearest[middle] <= score:
            low = middle + 1
        else:
            high = middle
    at = address_of(nearest) + low * 4
    move_bytes(at + 4, at, (size - low) * 4)
    nearest[low] = score
    return size + 1


@helper
def limit_of(best: Any) -> Any:
    """The k-th least score, or infinity while there are fewer."""
    return best.nearest[best.k - 1] if best.sizes[0] == best.k else np.float32(np.inf)


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
def keep_scored(score: Any, row: Any, limit: Any, best: Any) -> Any:
    """Keep a row whose score is not above the limit and the doubt; returns the limit from now on.

    A score that is no number counts as infinite. Of crowds beyond the room for candidates the last ones are left out.
    """
    if not score <= limit + best.doubt:
        if limit < np.inf:
            return limit
        score = np.float32(np.inf)
    if score < limit or limit == np.inf:
        best.sizes[0] = insert_score(best.nearest, best.sizes[0], best.k, score)
        limit = limit_of(best)
    if best.sizes[1] == best.room:
        drop_beyond(best, limit + best.doubt)
    if best.sizes[1] < best.room:
        best.scores[best.sizes[1]], best.rows[best.sizes[1]] = score, row
        best.sizes[1] += 1
    return limit
