"""What is known of the recall of a library's live searches: some are recorded, and judged once they were repeated."""

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import count

import numpy as np
from numpy.typing import NDArray

from quiredb.domain.filters import Filter
from quiredb.domain.indexing import RecallAudit, RecallEstimate
from quiredb.engine.recall import estimate_recall, recall_promised
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

    `record` is called by searches, on any thread. All else is called by the one thread that audits; `report` and
    `hard_queries` are published by assignment. `hard_queries` (float32[m, d]) are queries for which a promise was found
    broken: segments built from then on are measured with them too.
    """

    def __init__(self, share: float) -> None:
        """`share` of all searches is recorded, evenly: 0.01 is the first and each hundredth after it, 0 none."""
        self._every = round(1 / share) if share > 0 else 0
        self._searches = count()
        self._waiting: deque[RecordedSearch] = deque(maxlen=_WAITING_MAX)
        self._results: deque[_Result] = deque(maxlen=_RESULTS_MAX)
        self._queries: deque[NDArray[np.float32]] = deque(maxlen=_QUERIES_MAX)
        self.hard_queries: NDArray[np.float32] | None = None
        self.report: RecallAudit | None = None

    def record(self, nearest: Nearest, filter_: Filter | None) -> bool:
        """Keep the search if it is its turn; whether it was. Beyond a bound the oldest that waits is forgotten."""
        if not self._every or nearest.exact or next(self._searches) % self._every:
            return False
        self._waiting.append(RecordedSearch(replace(nearest, query=nearest.query.copy()), filter_))
        return True

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
        self._results.append(_Result(recall_promised(nearest), nearest.k, share))
        estimates = {asked: _estimated(some) for asked, some in _by_asked(self._results).items()}
        self.report = RecallAudit(
            overall=_estimated(self._results),
            by_asked=tuple(sorted(estimates.items())),
            audited_at=at,
            remeasured_at=self.report.remeasured_at if self.report else None,
        )

    def broken_for(self) -> NDArray[np.float32] | None:
        """The recorded queries (float32[m, d]), when the searches show that a promise is not kept for them.

        That is so when the lower end of the interval lies under what was asked for, although there are so many searches
        that it would not had they found everything.
        """
        broken = any(
            len(some) >= JUDGED_MIN and _estimated(some).low < asked <= _flawless(some).low
            for asked, some in _by_asked(self._results).items()
        )
        return np.stack(self._queries) if broken else None

    def remeasured(self, queries: NDArray[np.float32], at: datetime) -> None:
        """Segments were measured again with `queries`; what was found before says nothing of how they search now."""
        self.hard_queries = queries
        self._results.clear()
        if self.report:
            self.report = replace(self.report, remeasured_at=at)


def _by_asked(results: Iterable[_Result]) -> dict[float, list[_Result]]:
    groups: defaultdict[float, list[_Result]] = defaultdict(list)
    for result in results:
        groups[result.asked].append(result)
    return groups


def _estimated(results: Sequence[_Result]) -> RecallEstimate:
    return estimate_recall([result.share for result in results], [result.k for result in results])


def _flawless(results: Sequence[_Result]) -> RecallEstimate:
    """The estimate had these searches found everything."""
    return estimate_recall([1.0] * len(results), [result.k for result in results])
