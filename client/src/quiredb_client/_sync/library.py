# Generated from _async by client/scripts/unasync.py; change the source and run it again.
"""One library by name: search, count, scan, delete, bulk writes, and what belongs to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from os import PathLike
from typing import Any, Literal

from numpy.typing import NDArray

from .. import calls, decoding
from .._runtime import threads as runtime
from ..inputs import FilterLike, Include, SearchInput, Vector
from ..lines import read_lines
from ..models import Chunk, DeleteReport, ImportReport, RecallReport, SearchResult, Stats
from ..progress import ProgressOption
from ..vectors import encode_vectors
from ..wire import batch_bodies, given, search_body, with_vector_encoding
from . import transfer
from .bulk import BulkWriter
from .chunks import LibraryChunks
from .documents import DocumentHandle, Documents
from .index import Index
from .pager import Pager
from .session import Session

BATCH_BYTES = 4 * 1024 * 1024
CONCURRENCY = 2
SEARCHES_PER_REQUEST = 256


class LibraryHandle:
    """One library by name; nothing is fetched until a method is called."""

    def __init__(self, session: Session, library: str) -> None:
        self.id = library
        self.documents = Documents(session, library)
        self.chunks = LibraryChunks(session, library)
        self.index = Index(session, library)
        self._session = session
        self._path = ("v1", "libraries", library)

    def document(self, id: str) -> DocumentHandle:
        """One document by name."""
        return DocumentHandle(self._session, self.id, id)

    def search(
        self,
        *,
        vector: Vector | None = None,
        text: str | None = None,
        k: int = 10,
        filter: FilterLike | None = None,
        recall: float | None = None,
        exact: bool | None = None,
        include: Include | None = None,
        explain: bool | None = None,
    ) -> SearchResult:
        """The `k` chunks nearest to a vector, or to a text that the library's embedder turns into one.

        `recall` is the share of the true best hits to aim for, `exact` asks for all of them. `include` names
        what each hit carries: "text", "metadata", "embedding", "document".
        """
        body = search_body(
            given(
                vector=vector,
                text=text,
                k=k,
                filter=filter,
                recall=recall,
                exact=exact,
                include=include,
                explain=explain,
            )
        )
        return decoding.search_result(self._read("search", body))

    def search_batch(
        self,
        searches: Sequence[SearchInput] | None = None,
        *,
        vectors: Sequence[Vector] | NDArray[Any] | None = None,
        texts: Sequence[str] | None = None,
        k: int = 10,
        filter: FilterLike | None = None,
        recall: float | None = None,
        exact: bool | None = None,
        include: Include | None = None,
        explain: bool | None = None,
    ) -> list[SearchResult]:
        """Several searches, up to 256 in one request, answered in the same order.

        Give the queries as `vectors`, an array of shape (count, dimension) or a list, as `texts`, or as
        complete `searches`, where the other arguments stand in for what a search leaves out.
        """
        common = given(k=k, filter=filter, recall=recall, exact=exact, include=include, explain=explain)
        bodies = batch_bodies(searches, vectors, texts, common)
        results: list[SearchResult] = []
        for start in range(0, len(bodies), SEARCHES_PER_REQUEST):
            body = {"searches": bodies[start : start + SEARCHES_PER_REQUEST]}
            answer = self._read("search", body, "batch")
            results += [decoding.search_result(result) for result in answer["results"]]
        return results

    def recall(
        self,
        *,
        queries: Sequence[Vector] | NDArray[Any] | None = None,
        sample: int | None = None,
        k: int | None = None,
        recall: float | None = None,
        filter: FilterLike | None = None,
    ) -> RecallReport:
        """Measure now: run the given queries, or `sample` chunks as queries, both ways."""
        body = given(
            queries=None if queries is None else encode_vectors(queries),
            sample=sample,
            k=k,
            recall=recall,
            filter=filter,
        )
        return decoding.recall_report(self._read("recall", body))

    def count(self, filter: FilterLike | None = None) -> int:
        """The number of chunks that match the filter, or of all."""
        return int((self._read("count", given(filter=filter)))["count"])

    def scan(
        self,
        filter: FilterLike | None = None,
        *,
        include: Include | None = None,
        limit: int | None = None,
        page_size: int | None = None,
    ) -> Pager[Chunk]:
        """All chunks that match the filter."""
        body = with_vector_encoding(given(filter=filter, include=include))
        return Pager(
            self._session,
            lambda cursor: calls.read(
                "POST",
                *self._path,
                "chunks",
                "scan",
                library=self.id,
                parameters={"limit": page_size, "cursor": cursor},
                body=body,
            ),
            decoding.chunk,
            limit,
        )

    def delete_where(self, filter: FilterLike, *, dry_run: bool = False) -> DeleteReport:
        """Delete the chunks that match the filter; with `dry_run` only count them."""
        call = calls.write(
            "POST",
            *self._path,
            "chunks",
            "delete",
            library=self.id,
            body={"filter": filter, "dry_run": dry_run},
        )
        return decoding.delete_report(self._session.json(call))

    def stats(self) -> Stats:
        """Counts, sizes, segments, index state, last measured recall."""
        return decoding.stats(self._session.json(calls.read("GET", *self._path, "stats", library=self.id)))

    def upsert_many(
        self,
        items: runtime.Source,
        *,
        batch_bytes: int = BATCH_BYTES,
        concurrency: int = CONCURRENCY,
        progress: ProgressOption = False,
        on_error: Literal["collect", "raise"] = "collect",
    ) -> ImportReport:
        """Write any number of documents (with `chunks`) or chunks (with `document_id`), generators welcome.

        Items go out in batches of `batch_bytes`, `concurrency` at a time; the source is read only as fast as
        they are acknowledged. Items of one document keep their order. Missing ids are made here, so that
        repeats are safe. `progress` is True for a line on the terminal, or a function that takes a `Progress`.

        Raises:
            BulkFailed: with `on_error="raise"` at the first failed item; always when the server stays away.
        """
        writer = BulkWriter(
            self._session,
            self.id,
            batch_bytes=batch_bytes,
            concurrency=concurrency,
            progress=progress,
            on_error=on_error,
        )
        return writer.write(items)

    def import_(
        self,
        source: str | PathLike[str] | runtime.Source,
        *,
        batch_bytes: int = BATCH_BYTES,
        concurrency: int = CONCURRENCY,
        progress: ProgressOption = False,
        on_error: Literal["collect", "raise"] = "collect",
    ) -> ImportReport:
        """Write the lines of an NDJSON file (`.gz` too) or of an iterable; otherwise like `upsert_many`."""
        return self.upsert_many(
            read_lines(source) if isinstance(source, (str, PathLike)) else source,
            batch_bytes=batch_bytes,
            concurrency=concurrency,
            progress=progress,
            on_error=on_error,
        )

    def export(self) -> Iterator[Mapping[str, Any]]:
        """All documents with their chunks, at one position; `upsert_many` takes them as they are."""
        return transfer.export_documents(self._session, self.id)

    def export_lines(self) -> Iterator[bytes]:
        """The same as lines of NDJSON, as the server writes them, without their line feed."""
        return transfer.export_lines(self._session, self.id)

    def export_to(self, path: str | PathLike[str]) -> int:
        """Write the library to an NDJSON file; returns the number of documents."""
        return transfer.export_file(self._session, self.id, path)

    def _read(self, verb: str, body: object, *more: str) -> dict[str, Any]:
        call = calls.read("POST", *self._path, verb, *more, library=self.id, body=body)
        return self._session.json(call)
