"""What is known of the recall of a library's live searches: some are recorded, and judged once they were repeated."""

import random
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from quiredb.domain.filters import Filter
from quiredb.domain.indexing import RecallAudit
from quiredb.engine.recall import Found, estimate_recall, recall_promised
from quiredb.engine.searching import Nearest

_WAITING_MAX = 256
_RESULTS_MAX = 1_000
_QUERIES_MAX = 300
JUDGED_MIN = 100
"""Audited searches of one recall asked for, at least, before it is judged whether that promise is kept."""


@dataclass(frozen=True, slots=True)
class RecordedSearch:
    """A live search to be repeated."""

    nearest: Nearest
    filter: Filter | None


@dataclass(frozen=True, slots=True)
class _Result:
    """The recall asked for, how many neighbours, and the share of them that was found."""

    asked: float
    k: int
    share: float


class Auditor:
    """What is known of the recall of one library's live searches.

    `picks` and `record` are called by searches, on any thread. All else is called by the one thread that audits;
    `report` and `hard_queries` are published by assignment. `hard_queries` (float32[m, d]) are queries for which a
    promise was found broken: segments built from then on are measured with them too.
    """

    def __init__(self, share: float, chance: Callable[[], float] = random.random) -> None:
        """`share` of all searches are picked, each by chance: every hundredth might be the same one again and again."""
        self._share = share
        self._chance = chance
        self._waiting: deque[RecordedSearch] = deque(maxlen=_WAITING_MAX)
        self._results = _Results()
        self._queries: deque[NDArray[np.float32]] = deque(maxlen=_QUERIES_MAX)
        self.hard_queries: NDArray[np.float32] | None = None
        self.report: RecallAudit | None = None

    def picks(self) -> bool:
        """Whether the search that runs now is one to record. Exact ones need not be."""
        return self._chance() < self._share

    def record(self, nearest: Nearest, filter_: Filter | None) -> None:
        """Keep the search to be repeated. Beyond a bound the oldest that waits is forgotten."""
        self._waiting.append(RecordedSearch(replace(nearest, query=nearest.query.copy()), filter_))

    def waits(self) -> bool:
        """Whether recorded searches wait to be repeated."""
        return bool(self._waiting)

    def next(self) -> RecordedSearch | None:
        """Take the search that has waited longest."""
        return self._waiting.popleft() if self._waiting else None

    def judged(self, search: RecordedSearch, share: float, at: datetime) -> None:
        """A search found this share of its true neighbours: publish what is known now."""
        nearest = search.nearest
        self._queries.append(nearest.query)
        self._results.add(_Result(recall_promised(nearest), nearest.k, share))
        by_asked = self._results.by_asked
        self.report = RecallAudit(
            overall=estimate_recall(sum(by_asked.values(), Counter())),
            by_asked=tuple((asked, estimate_recall(found)) for asked, found in sorted(by_asked.items())),
            audited_at=at,
            remeasured_at=self.report.remeasured_at if self.report else None,
        )

    def broken_for(self) -> NDArray[np.float32] | None:
        """The recorded queries (float32[m, d]), when the searches show that a promise is not kept for them.

        That is so when the lower end of the interval lies under what was asked for, although there are so many searches
        that it would not had they found everything.
        """
        broken = any(
            found.total() >= JUDGED_MIN and estimate_recall(found).low < asked <= estimate_recall(_flawless(found)).low
            for asked, found in self._results.by_asked.items()
        )
        return np.stack(self._queries) if broken else None

    def remeasured(self, queries: NDArray[np.float32], at: datetime) -> None:
        """Segments were measured again with `queries`; what was found before says nothing of how they search now."""
        self.hard_queries = queries
        self._results = _Results()
        if self.report:
            self.report = replace(self.report, remeasured_at=at)


class _Results:
    """The results of the last thousand audited searches, counted while they come and go."""

    def __init__(self) -> None:
        self._last: deque[_Result] = deque()
        self.by_asked: dict[float, Found] = {}

    def add(self, result: _Result) -> None:
        """Count one; beyond a thousand the oldest is forgotten."""
        self._last.append(result)
        self.by_asked.setdefault(result.asked, Counter())[result.share, result.k] += 1
        if len(self._last) > _RESULTS_MAX:
            self._forget(self._last.popleft())

    def _forget(self, result: _Result) -> None:
        found = self.by_asked[result.asked]
        found[result.share, result.k] -= 1
        if not found[result.share, result.k]:
            del found[result.share, result.k]
        if not found:
            del self.by_asked[result.asked]


def _flawless(found: Found) -> Found:
    """The same searches, had they found everything."""
    flawless: Found = Counter()
    for (_, k), searches in found.items():
        flawless[1.0, k] += searches
    return flawless
