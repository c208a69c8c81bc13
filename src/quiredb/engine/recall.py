"""Recall, measured: the share of the true nearest neighbours that an approximate search finds."""

import math
import statistics
import time
from bisect import bisect
from collections import Counter
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from quiredb.domain.filters import Filter
from quiredb.domain.indexing import RecallEstimate
from quiredb.domain.search import RecallReport, RecallRequest
from quiredb.engine.filtering import Texts
from quiredb.engine.searching import Nearest, Ranking, search_view
from quiredb.engine.view import View
from quiredb.indexes.planner import DEFAULT_RECALL
from quiredb.indexes.sample_queries import queries_like

_STANDARD_ERRORS = 1.96
"""On each side of the mean of a 95 % interval."""
_DOUBT = 2
"""Neighbours that one imaginary search misses: what searches without any miss leave open."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One search run both ways: the share of the true nearest that was found (None: there are none), and seconds."""

    share: float | None
    approximate_seconds: float
    exact_seconds: float


def sample_queries(view: View, count: int) -> NDArray[np.float32]:
    """`count` queries that resemble the view's living rows (float32[count, d]); the same view gives the same ones."""
    random = np.random.default_rng(view.position)
    fresh = view.fresh
    parts = [(part.segment.vectors, np.flatnonzero(part.alive)) for part in view.segments]
    parts.append((fresh.vectors, np.arange(len(fresh)) if fresh.dead is None else np.flatnonzero(~fresh.dead)))
    starts = np.cumsum([0, *(len(places) for _, places in parts)])
    total = int(starts[-1])
    if not total:
        return np.zeros((0, view.library.dimension), np.float32)
    chosen = np.empty((3 * count, view.library.dimension), np.float32)
    numbers = random.integers(0, total, 3 * count)
    for (vectors, places), start in zip(parts, starts.tolist(), strict=False):
        mine = (numbers >= start) & (numbers < start + len(places))
        chosen[mine] = vectors[places[numbers[mine] - start]]
    return queries_like(chosen[:count], chosen[count : 2 * count], chosen[2 * count :], random)


def measure_recall(view: View, queries: NDArray[np.float32], request: RecallRequest, texts: Texts) -> RecallReport:
    """Search each query approximately and exactly."""
    compared = [compare(view, Nearest(query, request.k, request.recall), request.filter, texts) for query in queries]
    shares = [one.share for one in compared if one.share is not None]
    return RecallReport(
        queries=len(shares),
        k=request.k,
        recall=statistics.fmean(shares) if shares else 1.0,
        lowest=min(shares, default=1.0),
        approximate_seconds=statistics.median(one.approximate_seconds for one in compared) if shares else 0.0,
        exact_seconds=statistics.median(one.exact_seconds for one in compared) if shares else 0.0,
        position=view.position,
    )


def compare(view: View, nearest: Nearest, filter_: Filter | None, texts: Texts) -> Comparison:
    """Search approximately and exactly. A row as near as the k-th true neighbour counts as found (ties)."""
    rankings: list[Ranking] = []
    seconds: list[float] = []
    for asked in (nearest, replace(nearest, exact=True)):
        started = time.perf_counter()
        rankings.append(search_view(view, asked, filter_, texts))
        seconds.append(time.perf_counter() - started)
    found, truth = (ranking.found.distances for ranking in rankings)
    share = sum(distance <= truth[-1] for distance in found) / len(truth) if truth else None
    return Comparison(share, *seconds)


def recall_promised(nearest: Nearest) -> float:
    """The recall that a search that is not exact asks for."""
    return DEFAULT_RECALL if nearest.recall is None else nearest.recall


Found: TypeAlias = Counter[tuple[float, int]]
"""How many searches found this share of the true nearest, by (share, k). Few differ, so this is short."""


def estimate_recall(found: Found) -> RecallEstimate:
    """The mean of the shares that searches found, with a 95 % confidence interval.

    The interval is that of the normal distribution over searches, to which one is added that is as bad as the worst
    seen, or misses two neighbours: without it, few searches that miss nothing would seem to prove that none ever does.
    """
    queries = found.total()
    doubt = min(max(0.0, 1 - _DOUBT / _median_k(found)), *(share for share, _ in found))
    weighted = [(share, count) for (share, _), count in found.items()]
    total = math.fsum(share * count for share, count in weighted)
    doubted = [*weighted, (doubt, 1)]
    centre = (total + doubt) / (queries + 1)
    variance = math.fsum((share - centre) ** 2 * count for share, count in doubted) / (queries + 1)
    error = math.sqrt(variance / (queries + 1))
    return RecallEstimate(
        queries=queries,
        recall=total / queries,
        low=max(0.0, centre - _STANDARD_ERRORS * error),
        high=min(1.0, centre + _STANDARD_ERRORS * error),
    )


def _median_k(found: Found) -> float:
    """The median of the neighbours asked for."""
    ordered = sorted((k, count) for (_, k), count in found.items())
    upto = list(accumulate(count for _, count in ordered))
    low, high = (ordered[bisect(upto, place)][0] for place in ((upto[-1] - 1) // 2, upto[-1] // 2))
    return (low + high) / 2
