"""Search, count, scan, and measuring recall."""

import time
from collections.abc import Iterable, Sequence
from itertools import islice

import numpy as np

from quiredb.domain.chunk import Chunk
from quiredb.domain.document import Document
from quiredb.domain.errors import ValidationFailed
from quiredb.domain.filters import Filter
from quiredb.domain.limits import SEARCH_BATCH_MAX, SEARCH_K_MAX
from quiredb.domain.reading import Counted, Page
from quiredb.domain.search import Hit, Include, RecallReport, RecallRequest, SearchAnswer, SearchRequest
from quiredb.embedders.completion import Completion
from quiredb.engine.embeddings import as_vector, check_embedding
from quiredb.engine.recall import measure_recall, sample_queries
from quiredb.engine.searching import Nearest, RankedRow, matching_in_id_order
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
        library = self._repository.get(library_id)
        return self._answer(library, library.view(), request, "")

    def search_batch(self, library_id: str, requests: Sequence[SearchRequest]) -> list[SearchAnswer]:
        """Several searches, all from one view, in order."""
        if not 1 <= len(requests) <= SEARCH_BATCH_MAX:
            raise ValidationFailed.at("/searches", "length", f"A batch has 1 to {SEARCH_BATCH_MAX} searches.")
        library = self._repository.get(library_id)
        view = library.view()
        return [self._answer(library, view, request, f"/searches/{number}") for number, request in enumerate(requests)]

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

    def _answer(self, library: OpenLibrary, view: View, request: SearchRequest, pointer: str) -> SearchAnswer:
        started = time.perf_counter()
        _check_k(request.k, f"{pointer}/k")
        query = self._completion.query(view.library, request.vector, request.text, pointer)
        nearest = Nearest(as_vector(query), request.k, request.recall, request.exact)
        ranking = library.search(view, nearest, request.filter)
        hits = _hits(library, view, ranking.rows, request.include)
        took = time.perf_counter() - started
        return SearchAnswer(hits, view.position, took, ranking.plan if request.explain else None)


def _check_k(k: int, pointer: str) -> None:
    if not 1 <= k <= SEARCH_K_MAX:
        raise ValidationFailed.at(pointer, "out-of-range", f"k is between 1 and {SEARCH_K_MAX}.")


def _hits(
    library: OpenLibrary, view: View, ranked: Iterable[RankedRow], include: frozenset[Include]
) -> tuple[Hit, ...]:
    """The texts and metadata of found rows, from the store, as the view sees them."""
    rows = list(ranked)
    chunks = library.store.found([row.row for row in rows], include)
    documents: dict[int, Document] = {}
    if Include.DOCUMENT in include:
        documents = library.store.documents_by_key([row.document_key for row in rows], view.position)
    metric = view.library.metric
    return tuple(
        Hit(chunks[row.row], documents.get(row.document_key), metric.score(row.distance), row.distance) for row in rows
    )
