"""Which searches of a batch are searched together, seen from the library that they ask."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from quiredb.domain.filter_parsing import parse_filter
from quiredb.domain.metric import Metric
from quiredb.domain.search import SearchPlan, SearchRequest
from quiredb.embedders.completion import Completion
from quiredb.embedders.configuration import EmbedderConfiguration
from quiredb.embedders.registry import EmbedderRegistry
from quiredb.engine.batch_searching import NearestToEach
from quiredb.engine.ranking import RankedRows
from quiredb.engine.searching import Ranking
from quiredb.services.search import SearchService


class _Library:
    """Finds for each query one row, numbered as the query's first component, and notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[list[float], int, float | None, bool, object]] = []
        self.store = SimpleNamespace(
            found=lambda rows, include: {row: f"chunk {row}" for row in rows},
            documents_by_key=lambda keys, position: {},
        )

    def view(self) -> Any:
        facts = SimpleNamespace(dimension=2, metric=Metric.L2, embedder=None)
        return SimpleNamespace(library=facts, position=7)

    def search_for_each(self, view: Any, nearest: NearestToEach, filter_: object) -> list[Ranking]:
        first = [float(query[0]) for query in nearest.queries]
        self.asked.append((first, nearest.k, nearest.recall, nearest.exact, filter_))
        plan = SearchPlan(1, 1, 0.0, ())
        return [Ranking(RankedRows([0.0], [int(number)], [1]), plan) for number in first]


def test_only_searches_that_differ_in_nothing_but_the_query_go_together() -> None:
    first, same, other = (parse_filter(data) for data in ({"page": 1}, {"page": 1}, {"page": 2}))
    shapes: list[dict[str, Any]] = [
        {},
        {"k": 3},
        {"recall": 0.9},
        {"exact": True},
        {},
        {"filter": first},
        {"filter": other},
        {"filter": same},
    ]
    requests = [SearchRequest(np.array([number, 1], "<f4").tobytes(), **shape) for number, shape in enumerate(shapes)]
    library = _Library()
    repository: Any = SimpleNamespace(get=lambda library_id: library)
    service = SearchService(repository, Completion(EmbedderRegistry(EmbedderConfiguration())))
    answers = service.search_batch("library", requests)
    assert library.asked == [
        ([0.0, 4.0], 10, None, False, None),
        ([1.0], 3, None, False, None),
        ([2.0], 10, 0.9, False, None),
        ([3.0], 10, None, True, None),
        ([5.0, 7.0], 10, None, False, first),
        ([6.0], 10, None, False, other),
    ]
    assert [answer.hits.chunks[0] for answer in answers] == [f"chunk {number}" for number in range(len(shapes))]
