"""Search, count, scan, and measuring recall."""

import time
from collections import defaultdict
from collections.abc import Hashable, Sequence
from itertools import islice
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from quiredb.domain.chunk import Chunk, Embedding
from quiredb.domain.document import Document
from quiredb.domain.errors import ValidationFailed
from quiredb.domain.filters import Filter, meaning_of
from quiredb.domain.limits import SEARCH_BATCH_MAX, SEARCH_K_MAX
from quiredb.domain.reading import Counted, Page
from quiredb.domain.search import Hits, Include, RecallReport, RecallRequest, SearchAnswer, SearchRequest
from quiredb.domain.spans import span
from quiredb.embedders.completion import Completion
from quiredb.engine.batch_searching import NearestToEach
from quiredb.engine.embeddings import are_sound, as_vector, check_embedding
from quiredb.engine.ranking import RankedRows
from quiredb.engine.recall import measure_recall, sample_queries
from quiredb.engine.searching import Nearest, Ranking, matching_in_id_order
from quiredb.engine.view import View, allowed_rows
from quiredb.repositories.libraries import LibraryRepository
from quiredb.repositories.open_library import OpenLibrary


class SearchService:
    """Use cases that find chunks."""

    def __init__(self, repository: LibraryRepository, completion: Completion) -> None:
        self._repository = repository
        self._completion = completion

    def search(self, library_id: str, request: SearchRequest) -> SearchAnswer:
        """The k nearest chunks among those that match, all from one view."""
        started = time.perf_counter()
        library = self._repository.get(library_id)
        view = library.view()
        nearest = Nearest(self._query(view, request, ""), request.k, request.recall, request.exact)
        ranking = library.search(view, nearest, request.filter)
        return _answers(library, view, [request], [ranking], started)[0]

    def search_batch(self, library_id: str, requests: Sequence[SearchRequest]) -> list[SearchAnswer]:
        """Several searches, all from one view, in order. Each is said to have taken its share of the time."""
        started = time.perf_counter()
        if not 1 <= len(requests) <= SEARCH_BATCH_MAX:
            raise ValidationFailed.at("/searches", "length", f"A batch has 1 to {SEARCH_BATCH_MAX} searches.")
        library = self._repository.get(library_id)
        view = library.view()
        rankings = _rankings(library, view, requests, self._queries(view, requests))
        return _answers(library, view, requests, rankings, started)

    def count(self, library_id: str, filter_: Filter | None) -> Counted:
        """How many chunks match."""
        library = self._repository.get(library_id)
        view = library.view()
        return Counted(allowed_rows(view, filter_, library.texts).count, view.position)

    def scan(
        self, library_id: str, filter_: Filter | None, after: str | None, limit: int, include: frozenset[Include]
    ) -> Page[Chunk]:
        """At most `limit` matching chunks with ids greater than `after`, by id."""
        library = self._repository.get(library_id)
        view = library.view()
        found = list(islice(matching_in_id_order(view, filter_, after, library.texts), limit + 1))
        rows = [row for _, row in found[:limit]]
        chunks = library.store.chunks_by_row(rows, Include.EMBEDDING in include)
        return Page(tuple(chunks[row] for row in rows), len(found) > limit, view.position)

    def recall(self, library_id: str, request: RecallRequest) -> RecallReport:
        """Run queries both ways now and compare."""
        library = self._repository.get(library_id)
        view = library.view()
        _check_k(request.k, "/k")
        facts = view.library
        queries = (
            np.stack(
                [
                    as_vector(check_embedding(query, facts.dimension, facts.metric, f"/queries/{number}"))
                    for number, query in enumerate(request.queries)
                ]
            )
            if request.queries
            else sample_queries(view, request.sample)
        )
        report = measure_recall(view, queries, request, library.texts)
        if report.queries:
            library.measured_recall = report.recall
        return report

    def _query(self, view: View, request: SearchRequest, pointer: str) -> NDArray[np.float32]:
        _check_k(request.k, f"{pointer}/k")
        return as_vector(self._completion.query(view.library, request.vector, request.text, pointer))

    def _queries(self, view: View, requests: Sequence[SearchRequest]) -> NDArray[np.float32]:
        """Those of a batch, float32[b, d]. Vectors that are sound altogether are not looked at one by one."""
        facts = view.library
        vectors = [request.vector for request in requests if request.vector is not None]
        if len(vectors) < len(requests) or not are_sound(vectors, facts.dimension, facts.metric):
            return np.stack([self._query(view, one, f"/searches/{number}") for number, one in enumerate(requests)])
        for number, request in enumerate(requests):
            _check_k(request.k, f"/searches/{number}/k")
        return as_vector(b"".join(vectors)).reshape(len(requests), facts.dimension)


def _check_k(k: int, pointer: str) -> None:
    if not 1 <= k <= SEARCH_K_MAX:
        raise ValidationFailed.at(pointer, "out-of-range", f"k is between 1 and {SEARCH_K_MAX}.")


def _rankings(
    library: OpenLibrary, view: View, requests: Sequence[SearchRequest], queries: NDArray[np.float32]
) -> list[Ranking]:
    """The ranking of each request; those that differ only in their queries are searched together."""
    alike: defaultdict[Hashable, list[int]] = defaultdict(list)
    for number, request in enumerate(requests):
        meaning = None if request.filter is None else meaning_of(request.filter)
        alike[request.k, request.recall, request.exact, meaning].append(number)
    rankings: dict[int, Ranking] = {}
    for numbers in alike.values():
        first = requests[numbers[0]]
        asked = NearestToEach(queries[numbers], first.k, first.recall, first.exact)
        rankings.update(zip(numbers, library.search_for_each(view, asked, first.filter), strict=True))
    return [rankings[number] for number in range(len(requests))]


def _answers(
    library: OpenLibrary, view: View, requests: Sequence[SearchRequest], rankings: Sequence[Ranking], started: float
) -> list[SearchAnswer]:
    """The hits of rankings with what the requests include, read from the store together."""
    asked = [(request, ranking.found) for request, ranking in zip(requests, rankings, strict=True)]
    with span("fetch"):
        chunks = {
            include: library.store.found(_rows(asked, include), include)
            for include in {request.include for request in requests}
        }
        embeddings, documents = _embeddings(library, asked), _documents(library, view, asked)
    took = (time.perf_counter() - started) / len(requests)
    metric = view.library.metric
    answers = []
    for (request, found), ranking in zip(asked, rankings, strict=True):
        shown = chunks[request.include]
        hits = Hits(
            [shown[row] for row in found.rows],
            metric.scores(found.distances),
            found.distances,
            [embeddings.get(row) for row in found.rows] if Include.EMBEDDING in request.include else (),
            [documents.get(key) for key in found.document_keys] if Include.DOCUMENT in request.include else (),
        )
        answers.append(SearchAnswer(hits, view.position, took, ranking.plan if request.explain else None))
    return answers


_Asked: TypeAlias = Sequence[tuple[SearchRequest, RankedRows]]


def _rows(asked: _Asked, include: frozenset[Include]) -> list[int]:
    return [row for request, found in asked if request.include == include for row in found.rows]


def _embeddings(library: OpenLibrary, asked: _Asked) -> dict[int, Embedding]:
    """By row, for those who asked."""
    rows = [row for request, found in asked if Include.EMBEDDING in request.include for row in found.rows]
    return library.store.found_vectors(rows) if rows else {}


def _documents(library: OpenLibrary, view: View, asked: _Asked) -> dict[int, Document]:
    """By key, for those who asked."""
    keys = [key for request, found in asked if Include.DOCUMENT in request.include for key in found.document_keys]
    return library.store.documents_by_key(keys, view.position) if keys else {}
