"""Recall, measured: the share of the true nearest neighbours that an approximate search finds."""

import statistics
import time

import numpy as np
from numpy.typing import NDArray

from quiredb.domain.search import RecallReport, RecallRequest
from quiredb.engine.filtering import Texts
from quiredb.engine.searching import Nearest, Ranking, search_view
from quiredb.engine.view import View
from quiredb.indexes.sample_queries import queries_like


def sample_queries(view: View, count: int) -> NDArray[np.float32]:
    """`count` queries that resemble the view's living rows (float32[count, d]); the same view gives the same ones."""
    random = np.random.default_rng(view.position)
    fresh = view.fresh
    parts = [(part.segment.vectors, np.flatnonzero(part.alive())) for part in view.segments]
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
