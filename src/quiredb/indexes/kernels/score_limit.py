"""The limit of a walk: an upper bound of the rank-th best score met, for one addition a score.

A histogram of BINS steps from the lowest possible score to the worst of the seeds is enough: the limit is the upper
edge of the step that holds the rank-th best. It only falls. Scores beyond its step need not be counted any more.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from quiredb.indexes.kernels.frontier import ROOT, score_of
from quiredb.indexes.kernels.pointers import address_of
from quiredb.indexes.kernels.registry import helper
from quiredb.indexes.kernels.simd import clear_bytes

BINS = 512


class Limit(NamedTuple):
    """What the rank-th best score met is known by: a histogram of scores from `lowest` on, and the latest score counted
    in each of its steps, as copies of one vector count once.
    """

    histogram: Any
    latest: Any
    lowest: Any
    per_score: Any
    rank: Any


@helper
def start_limit(scratch: Any, query: Any, size: int, rank: int) -> Any:
    """An empty histogram, whose steps reach to the worst score of the frontier."""
    clear_bytes(address_of(scratch.histogram), BINS * 4)
    clear_bytes(address_of(scratch.latest), BINS * 4)
    highest = query.lowest
    for i in range(size):
        highest = max(highest, score_of(scratch.heap[ROOT + i]))
    per_score = np.float32(BINS) / (highest - query.lowest) if highest > query.lowest else np.float32(0.0)
    return Limit(scratch.histogram, scratch.latest, query.lowest, per_score, rank)


@helper
def limit_at(limit: Any, last: int) -> Any:
    """The upper edge of the step where the rank-th best score is; infinity while fewer were met."""
    if last == BINS - 1:
        return np.float32(np.inf)
    return limit.lowest + np.float32(last + 1) / limit.per_score


@helper
def count_score(limit: Any, last: Any, counted: Any, score: Any) -> Any:
    """Count a score; returns the step where the rank-th best is now, and how many scores are not beyond it."""
    above = (score - limit.lowest) * limit.per_score
    if not above < last + 1:
        return last, counted
    step = np.int64(above) if above > 0 else 0
    if limit.latest[step] == score:
        return last, counted
    limit.latest[step] = score
    limit.histogram[step] += 1
    counted += 1
    while last > 0 and counted - limit.histogram[last] >= limit.rank:
        counted -= limit.histogram[last]
        last -= 1
    return last, counted
