"""Whole libraries in and out: import in batches, export at one position."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from quiredb.domain.chunk import Chunk
from quiredb.domain.commands import IdempotencyToken, NewChunk, Operation, PutChunk, PutDocument, WriteBatch
from quiredb.domain.document import Document
from quiredb.domain.drafts import ChunkDraft, DocumentDraft, ImportFault, ImportItem, ImportReport, PutChunkDraft
from quiredb.domain.errors import (
    EmbeddingFailed,
    IdempotencyKeyReused,
    QuireError,
    StorageFailed,
    Unavailable,
    ValidationFailed,
    Violation,
)
from quiredb.domain.identifiers import check_identifier, new_identifier
from quiredb.domain.library import Library
from quiredb.domain.limits import ERRORS_REPORTED_MAX
from quiredb.domain.times import now
from quiredb.embedders.completion import Completion
from quiredb.engine.view import View
from quiredb.repositories.libraries import LibraryRepository
from quiredb.repositories.open_library import OpenLibrary

_BATCH_CHUNKS = 1_000
_BATCH_BYTES = 8 * 1024 * 1024
_PAGE = 500
_NOT_THE_LINES_FAULT = (EmbeddingFailed, IdempotencyKeyReused, StorageFailed, Unavailable)


@dataclass(frozen=True, slots=True)
class Export:
    """A library's documents in id order, each with its chunks in order and their embeddings, all at `position`."""

    position: int
    documents: Iterator[tuple[Document, Iterator[Chunk]]]


@dataclass(slots=True)
class _Tally:
    """Counts of a running import."""

    documents: int = 0
    chunks: int = 0
    failed: int = 0
    position: int = 0
    faults: list[ImportFault] = field(default_factory=list)

    def fail(self, faults: Sequence[ImportFault]) -> None:
        """Count the faults of the next batch, which are in the order of their lines, and keep the first."""
        self.failed += len(faults)
        self.faults += faults[: ERRORS_REPORTED_MAX - len(self.faults)]

    def report(self, *, aborted: bool) -> ImportReport:
        return ImportReport(self.documents, self.chunks, self.failed, tuple(self.faults), self.position, aborted)


class TransferService:
    """Use cases that move whole libraries."""

    def __init__(self, repository: LibraryRepository, completion: Completion) -> None:
        self._repository = repository
        self._completion = completion

    def import_items(
        self,
        library_id: str,
        items: Iterator[ImportItem],
        *,
        abort_on_error: bool,
        idempotency: IdempotencyToken | None = None,
    ) -> ImportReport:
        """Write the items in order, in commits of some thousand chunks.

        A bad line is counted and named; with `abort_on_error` nothing after it is written. A failing disk or embedder
        ends the import with its error: what was committed stays. With an idempotency token, batches that an earlier
        attempt committed are not written again; one whose lines have changed since is `IdempotencyKeyReused`.
        """
        library = self._repository.get(library_id)
        run = _Import(library, self._completion, idempotency, _Tally(position=library.view().position))
        for batch in _batches(items):
            run.write(batch, abort_on_error=abort_on_error)
            if abort_on_error and run.tally.failed:
                return run.tally.report(aborted=True)
        return run.tally.report(aborted=False)

    def export(self, library_id: str) -> Export:
        """Everything in a library at its newest position; the view is held until the iterator ends."""
        library = self._repository.get(library_id)
        view = library.view()
        return Export(view.position, _documents(library, view))


def _batches(items: Iterator[ImportItem]) -> Iterator[list[ImportItem]]:
    batch: list[ImportItem] = []
    chunks = size = 0
    for item in items:
        batch.append(item)
        chunks += _chunk_count(item)
        size += item.size
        if chunks >= _BATCH_CHUNKS or size >= _BATCH_BYTES:
            yield batch
            batch, chunks, size = [], 0, 0
    if batch:
        yield batch


def _chunk_count(item: ImportItem) -> int:
    if isinstance(item.content, DocumentDraft):
        return max(len(item.content.chunks or ()), 1)
    return 1


class _Import:
    """One running import."""

    def __init__(
        self, library: OpenLibrary, completion: Completion, token: IdempotencyToken | None, tally: _Tally
    ) -> None:
        self._library = library
        self._completion = completion
        self._token = token
        self.tally = tally

    def write(self, batch: Sequence[ImportItem], *, abort_on_error: bool) -> None:
        """Commit the batch's good items, and name the others."""
        good: list[ImportItem] = []
        faults: list[ImportFault] = []
        for item in batch:
            fault = _fault_of(item)
            if fault is None:
                good.append(item)
                continue
            faults.append(ImportFault(item.line, fault))
            if abort_on_error:
                break
        faults += self._commit_good(good, abort_on_error=abort_on_error)
        faults.sort(key=lambda fault: fault.line)
        self.tally.fail(faults[:1] if abort_on_error else faults)

    def _commit_good(self, items: Sequence[ImportItem], *, abort_on_error: bool) -> list[ImportFault]:
        """Commit in order; what is refused is halved until the bad items stand alone, so that few commits find them."""
        faults: list[ImportFault] = []
        waiting = [items] if items else []
        while waiting:
            part = waiting.pop()
            try:
                self._commit(part, f"{part[0].line}-{part[-1].line}")
            except _NOT_THE_LINES_FAULT:
                raise
            except QuireError as error:
                middle = len(part) // 2
                if middle:
                    waiting += [part[middle:], part[:middle]]
                    continue
                faults.append(ImportFault(part[0].line, _violation(error)))
                if abort_on_error:
                    break
        return faults

    def _commit(self, items: Sequence[ImportItem], part: str) -> None:
        operations = self._operations(self._library.view().library, items)
        command = WriteBatch(operations, now(), _part_token(self._token, part, items))
        receipt = self._library.submit(command)
        self.tally.position = receipt.position
        self.tally.documents += sum(isinstance(item.content, DocumentDraft) for item in items)
        self.tally.chunks += sum(len(_drafts(item)) for item in items)

    def _operations(self, library: Library, items: Sequence[ImportItem]) -> tuple[Operation, ...]:
        drafts = [(draft, pointer) for item in items for draft, pointer in _placed_drafts(item)]
        chunks = iter(
            self._completion.chunks(library, [draft for draft, _ in drafts], [pointer for _, pointer in drafts])
        )
        return tuple(_operation(item, chunks) for item in items)


def _operation(item: ImportItem, chunks: Iterator[NewChunk]) -> Operation:
    content = item.content
    if isinstance(content, PutChunkDraft):
        return PutChunk(content.document_id, next(chunks), content.expected, create_document=True)
    assert isinstance(content, DocumentDraft)
    own = None if content.chunks is None else tuple(next(chunks) for _ in content.chunks)
    return PutDocument(content.id or new_identifier(), content.metadata, own)


def _fault_of(item: ImportItem) -> Violation | None:
    if isinstance(item.content, Violation):
        return item.content
    identifier = item.content.document_id if isinstance(item.content, PutChunkDraft) else item.content.id
    pointer = "/document_id" if isinstance(item.content, PutChunkDraft) else "/id"
    try:
        if identifier is not None:
            check_identifier(identifier, pointer)
    except ValidationFailed as error:
        return error.violations[0]
    return None


def _drafts(item: ImportItem) -> tuple[ChunkDraft, ...]:
    if isinstance(item.content, PutChunkDraft):
        return (item.content.chunk,)
    return item.content.chunks or () if isinstance(item.content, DocumentDraft) else ()


def _placed_drafts(item: ImportItem) -> Iterator[tuple[ChunkDraft, str]]:
    single = isinstance(item.content, PutChunkDraft)
    for number, draft in enumerate(_drafts(item)):
        yield draft, "" if single else f"/chunks/{number}"


def _violation(error: QuireError) -> Violation:
    if isinstance(error, ValidationFailed):
        return error.violations[0]
    return Violation("", error.code, error.detail)


def _part_token(token: IdempotencyToken | None, part: str, items: Sequence[ImportItem]) -> IdempotencyToken | None:
    """The token of one commit of an import: the same part of the same stream has the same token."""
    if token is None:
        return None
    digest = hashlib.blake2b(digest_size=16)
    for item in items:
        digest.update(f"{item.line} ".encode())
        digest.update(item.digest)
    return IdempotencyToken(f"{token.key} {part}", digest.hexdigest(), brief=True)


def _documents(library: OpenLibrary, view: View) -> Iterator[tuple[Document, Iterator[Chunk]]]:
    after: str | None = None
    while page := library.store.documents(view.position, after, _PAGE):
        for document in page:
            yield document, _chunks(library, view, document.id)
        after = page[-1].id


def _chunks(library: OpenLibrary, view: View, document_id: str) -> Iterator[Chunk]:
    after: tuple[int, str] | None = None
    while page := library.store.document_chunks(document_id, view.position, after, _PAGE, with_embedding=True):
        yield from page
        after = (page[-1].position, page[-1].id)
