"""Several searches of one view that differ only in their queries: the filter once, one kernel call for each part."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from quiredb.domain.filters import Filter
from quiredb.domain.search import SearchPlan, SegmentPlan
from quiredb.engine.columns import Mask
from quiredb.engine.filtering import Texts
from quiredb.engine.ranking import PartRanking, RankedRows, merged
from quiredb.engine.searching import Nearest, Ranking, chunk_ids, search_fresh
from quiredb.engine.segment import Segment
from quiredb.engine.view import View, allowed_rows


@dataclass(frozen=True, slots=True)
class NearestToEach:
    """What to look for: queries (float32[b, d]), and for each how many and how sure. `exact` outranks `recall`."""

    queries: NDArray[np.float32]
    k: int
    recall: float | None = None
    exact: bool = False

    def one(self, number: int) -> Nearest:
        """The search of one of the queries."""
        return Nearest(self.queries[number], self.k, self.recall, self.exact)


Found = tuple[PartRanking, SegmentPlan]


def search_view_for_each(view: View, nearest: NearestToEach, filter_: Filter | None, texts: Texts) -> list[Ranking]:
    """What `search_view` answers for each query, in order."""
    started = time.perf_counter()
    allowed = allowed_rows(view, filter_, texts)
    filter_seconds = time.perf_counter() - started
    parts: list[Sequence[Found]] = [
        _search_segment(part.segment, mask, count, nearest)
        for part, (mask, count) in zip(view.segments, allowed.segments, strict=True)
    ]
    if len(view.fresh):
        mask, count = allowed.fresh
        parts.append([search_fresh(view, mask, count, nearest.one(number)) for number in range(len(nearest.queries))])
    total = view.library.chunk_count
    return [
        Ranking(
            merged([found[number][0] for found in parts], nearest.k),
            SearchPlan(allowed.count, total, filter_seconds, tuple(found[number][1] for found in parts)),
        )
        for number in range(len(nearest.queries))
    ]


def _search_segment(segment: Segment, mask: Mask | None, count: int, nearest: NearestToEach) -> list[Found]:
    """For each query the nearest rows of the segment, and how they were found."""
    places, distances, plans = segment.index.nearest_to_each(
        nearest.queries, nearest.k, allowed=count, mask=mask, recall=nearest.recall, exact=nearest.exact
    )
    said = {plan: SegmentPlan(segment.name, str(plan), len(segment), count, plan.effort) for plan in set(plans)}
    return list(zip(_ranked(segment, places, distances), [said[plan] for plan in plans], strict=True))


def _ranked(segment: Segment, places: NDArray[np.int64], distances: NDArray[np.float64]) -> list[PartRanking]:
    """The rows at places[b, k], all of them there; converted in one go."""
    columns = zip(
        distances.tolist(), segment.rows[places].tolist(), segment.document_keys[places].tolist(), places, strict=True
    )
    return [
        PartRanking(RankedRows(near, rows, keys), chunk_ids(segment, one_places))
        for near, rows, keys, one_places in columns
    ]
