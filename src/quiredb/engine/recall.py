"""Recall, measured: the share of the true nearest neighbours that an approximate search finds."""

import statistics
import time

import numpy as np
from numpy.typing import NDArray

from quiredb.domain.search import RecallReport, RecallRequest
from quiredb.engine.filtering import Texts
from quiredb.engine.searching import Nearest, Ranking, search_view
from quiredb.engine.view import View


def sample_queries(view: View, count: int) -> NDArray[np.float32]:
    """At most `count` living rows of the view as queries (float32[count, d]); the same view gives the same ones."""
    random = np.random.default_rng(view.position)
    parts = [(part.segment.vectors, part.alive()) for part in view.segments]
    fresh = view.fresh
    parts.append((fresh.vectors, np.ones(len(fresh), np.bool_) if fresh.dead is None else ~fresh.dead))
    places = [np.flatnonzero(alive) for _, alive in parts]
    total = sum(map(len, places))
    chosen = np.sort(random.choice(total, min(count, total), replace=False)) if total else np.zeros(0, np.int64)
    starts = np.cumsum([0, *map(len, places)])
    pieces = [
        vectors[inside[chosen[(chosen >= start) & (chosen < start + len(inside))] - start]]
        for (vectors, _), inside, start in zip(parts, places, starts.tolist(), strict=False)
    ]
    return np.concatenate(pieces)


def measure_recall(view: View, queries: NDArray[np.float32], request: RecallRequest, texts: Texts) -> RecallReport:
    """Search each query approximately and exactly. A row as near as the k-th true neighbour counts as found (ties)."""
    shares: list[float] = []
    seconds: dict[bool, list[float]] = {True: [], False: []}
    for query in queries:
        rankings: dict[bool, Ranking] = {}
        for exact in (False, True):
            started = time.perf_counter()
            nearest = Nearest(query, request.k, request.recall, exact)
            rankings[exact] = search_view(view, nearest, request.filter, texts)
            seconds[exact].append(time.perf_counter() - started)
        if truth := [row.distance for row in rankings[True].rows]:
            found = sum(row.distance <= truth[-1] for row in rankings[False].rows)
            shares.append(found / len(truth))
    return RecallReport(
        queries=len(shares),
        k=request.k,
        recall=statistics.fmean(shares) if shares else 1.0,
        lowest=min(shares, default=1.0),
        approximate_seconds=statistics.median(seconds[False]) if shares else 0.0,
        exact_seconds=statistics.median(seconds[True]) if shares else 0.0,
        position=view.position,
    )
