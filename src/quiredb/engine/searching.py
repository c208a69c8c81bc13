"""Search a view: filter first, then each part by its strategy, then one ranking by (distance, chunk id)."""

import heapq
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from quiredb.domain.filters import Filter
from quiredb.domain.metric import Metric
from quiredb.domain.search import SearchPlan, SegmentPlan
from quiredb.engine.columns import Mask
from quiredb.engine.filtering import Texts
from quiredb.engine.ranking import NOTHING, PartRanking, RankedRows, merged
from quiredb.engine.segment import Segment
from quiredb.engine.view import View, allowed_rows
from quiredb.indexes.contract import MetricName
from quiredb.indexes.exact import exact_scan
from quiredb.indexes.planner import Plan

FRESH = "fresh"


@dataclass(frozen=True, slots=True)
class Ranking:
    """At most k rows, and how they were found."""

    found: RankedRows
    plan: SearchPlan


@dataclass(frozen=True, slots=True)
class Nearest:
    """What to look for: a query (float32[d]), how many, and how sure. `exact` outranks `recall`."""

    query: NDArray[np.float32]
    k: int
    recall: float | None = None
    exact: bool = False


def search_view(view: View, nearest: Nearest, filter_: Filter | None, texts: Texts) -> Ranking:
    """The k nearest rows among those that match. Fewer than k only when fewer match."""
    started = time.perf_counter()
    allowed = allowed_rows(view, filter_, texts)
    filtered = time.perf_counter()
    found: list[PartRanking] = []
    parts: list[SegmentPlan] = []
    for part, (mask, count) in zip(view.segments, allowed.segments, strict=True):
        ranked, plan = _search_segment(part.segment, mask, count, nearest)
        found.append(ranked)
        parts.append(SegmentPlan(part.segment.name, str(plan), len(part.segment), count, plan.effort))
    mask, count = allowed.fresh
    if len(view.fresh):
        ranked, scanned = search_fresh(view, mask, count, nearest)
        found.append(ranked)
        parts.append(scanned)
    said = SearchPlan(allowed.count, view.library.chunk_count, filtered - started, tuple(parts))
    return Ranking(merged(found, nearest.k), said)


def _search_segment(segment: Segment, mask: Mask | None, count: int, nearest: Nearest) -> tuple[PartRanking, Plan]:
    found = segment.index.nearest(
        nearest.query, nearest.k, allowed=count, mask=mask, recall=nearest.recall, exact=nearest.exact
    )
    return PartRanking(ranked_rows(segment, found.rows, found.distances), chunk_ids(segment, found.rows)), found.plan


def ranked_rows(segment: Segment, places: NDArray[np.int64], distances: NDArray[np.float64]) -> RankedRows:
    """The rows at some places of a segment, in their order."""
    return RankedRows(distances.tolist(), segment.rows[places].tolist(), segment.document_keys[places].tolist())


def chunk_ids(segment: Segment, places: NDArray[np.int64]) -> Callable[[int], str]:
    """What tells the chunk id of one of these places."""
    return lambda number: segment.ids[int(places[number])]


def search_fresh(view: View, mask: Mask | None, count: int, nearest: Nearest) -> tuple[PartRanking, SegmentPlan]:
    """The nearest fresh rows, by an exact scan of the `count` that `mask` allows, and that as a plan."""
    rows = len(view.fresh)
    strategy = "skip" if count == 0 else "masked-scan" if count < rows else "scan"
    return _scan_fresh(view, mask, count, nearest), SegmentPlan(FRESH, strategy, rows, count, 0)


def _scan_fresh(view: View, mask: Mask | None, count: int, nearest: Nearest) -> PartRanking:
    """Rows that tie at the k-th distance are all fetched, so that chunk ids decide among them."""
    fresh, wanted = view.fresh, min(nearest.k, count)
    if wanted == 0:
        return PartRanking(NOTHING, str)
    asked = min(wanted + 1, count)
    while True:
        places, distances = exact_scan(
            nearest.query, fresh.vectors, len(fresh), metric_name(view.library.metric), asked, mask
        )
        if asked == count or distances[-1] > distances[wanted - 1]:
            break
        asked = min(2 * asked, count)
    ordered = sorted(
        (distance, fresh.chunks[place].id, place)
        for place, distance in zip(places.tolist(), distances.tolist(), strict=True)
    )[:wanted]
    found = RankedRows(
        [distance for distance, _, _ in ordered],
        [int(fresh.rows[place]) for _, _, place in ordered],
        [int(fresh.document_keys[place]) for _, _, place in ordered],
    )
    return PartRanking(found, lambda number: ordered[number][1])


def metric_name(metric: Metric) -> MetricName:
    """The metric as indexes call it."""
    names: dict[Metric, MetricName] = {Metric.COSINE: "cosine", Metric.L2: "l2", Metric.DOT: "dot"}
    return names[metric]


def matching_in_id_order(
    view: View, filter_: Filter | None, after: str | None, texts: Texts
) -> Iterator[tuple[str, int]]:
    """(chunk id, row) of the matching chunks with ids greater than `after`, by id. Holds the view while it runs."""
    allowed = allowed_rows(view, filter_, texts)
    streams = [
        _segment_ids(part.segment, mask, after) for part, (mask, _) in zip(view.segments, allowed.segments, strict=True)
    ]
    return heapq.merge(*streams, _fresh_ids(view, allowed.fresh[0], after))


def _segment_ids(segment: Segment, mask: Mask | None, after: str | None) -> Iterator[tuple[str, int]]:
    start = 0 if after is None else segment.ids.lower_bound(after)
    places = np.arange(start, len(segment)) if mask is None else start + np.flatnonzero(mask[start:])
    for place in places.tolist():
        identifier = segment.ids[place]
        if after is None or identifier > after:
            yield identifier, int(segment.rows[place])


def _fresh_ids(view: View, mask: Mask | None, after: str | None) -> Iterator[tuple[str, int]]:
    fresh = view.fresh
    places = range(len(fresh)) if mask is None else np.flatnonzero(mask).tolist()
    pairs = sorted((fresh.chunks[place].id, int(fresh.rows[place])) for place in places)
    return iter([pair for pair in pairs if after is None or pair[0] > after])
