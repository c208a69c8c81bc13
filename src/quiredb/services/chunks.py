"""Chunks: read in order, write, batch, remove, remove by filter."""

from collections.abc import Callable, Sequence

from quiredb.domain.chunk import Chunk
from quiredb.domain.commands import (
    ANY_STATE,
    DeleteChunk,
    DeleteUnchanged,
    Expectation,
    IdempotencyToken,
    Operation,
    PutChunk,
    Receipt,
    WriteBatch,
)
from quiredb.domain.drafts import BatchDraft, ChunkDraft, PutChunkDraft
from quiredb.domain.errors import Conflict, NotFound, PreconditionFailed, ValidationFailed
from quiredb.domain.filters import Filter
from quiredb.domain.limits import BATCH_OPERATIONS_MAX
from quiredb.domain.reading import Counted, Page, Read
from quiredb.domain.retrying import exactly, retry_unless_expected
from quiredb.domain.times import now
from quiredb.embedders.completion import Completion
from quiredb.engine.view import allowed_rows, rows_of
from quiredb.repositories.libraries import LibraryRepository


class ChunkService:
    """Use cases on chunks."""

    def __init__(self, repository: LibraryRepository, completion: Completion) -> None:
        self._repository = repository
        self._completion = completion

    def list(
        self, library_id: str, document_id: str, after: tuple[int, str] | None, limit: int, *, with_embedding: bool
    ) -> Page[Chunk]:
        """At most `limit` chunks of a document after (position, id), in order."""
        library = self._repository.get(library_id)
        view = library.view()
        if library.store.document(document_id, view.position) is None:
            raise NotFound("document", document_id)
        found = library.store.document_chunks(document_id, view.position, after, limit + 1, with_embedding)
        return Page(tuple(found[:limit]), len(found) > limit, view.position)

    def get(
        self, library_id: str, chunk_id: str, document_id: str | None = None, *, with_embedding: bool = False
    ) -> Read[Chunk]:
        """One chunk; with `document_id`, only as a chunk of that document."""
        library = self._repository.get(library_id)
        view = library.view()
        chunk = library.store.chunk(chunk_id, view.position, with_embedding)
        if chunk is None or document_id not in {None, chunk.document_id}:
            raise NotFound("chunk", chunk_id)
        return Read(chunk, view.position)

    def put(
        self,
        library_id: str,
        document_id: str,
        draft: ChunkDraft,
        expected: Expectation = ANY_STATE,
        idempotency: IdempotencyToken | None = None,
    ) -> Receipt:
        """Create or replace a chunk of a document that exists."""
        library = self._repository.get(library_id)
        (chunk,) = self._completion.chunks(library.view().library, (draft,), ("",))
        return library.submit(WriteBatch((PutChunk(document_id, chunk, expected),), now(), idempotency))

    def create(
        self, library_id: str, document_id: str, draft: ChunkDraft, idempotency: IdempotencyToken | None = None
    ) -> Receipt:
        """Add a chunk to a document that exists; a taken id is a `Conflict`."""
        try:
            return self.put(library_id, document_id, draft, Expectation(absent=True), idempotency)
        except PreconditionFailed as error:
            raise Conflict(f"{error.detail} Use PUT to replace it.") from error

    def patch(
        self,
        library_id: str,
        document_id: str,
        chunk_id: str,
        edit: Callable[[Chunk], ChunkDraft],
        expected: Expectation = ANY_STATE,
    ) -> Receipt:
        """Change a chunk from what it is. Retried when somebody else wrote in between."""

        def attempt() -> Receipt:
            current = self.get(library_id, chunk_id, document_id, with_embedding=True).resource
            return self.put(library_id, document_id, edit(current), exactly(expected, current.version))

        return retry_unless_expected(expected, attempt)

    def delete(self, library_id: str, document_id: str, chunk_id: str, expected: Expectation = ANY_STATE) -> Receipt:
        """Remove a chunk of a document."""
        library = self._repository.get(library_id)
        return library.submit(WriteBatch((DeleteChunk(chunk_id, document_id, expected),), now()))

    def batch(
        self, library_id: str, drafts: Sequence[BatchDraft], idempotency: IdempotencyToken | None = None
    ) -> Receipt:
        """Puts and deletes in one commit: all of them or none."""
        if not 1 <= len(drafts) <= BATCH_OPERATIONS_MAX:
            raise ValidationFailed.at("/operations", "length", f"A batch has 1 to {BATCH_OPERATIONS_MAX} operations.")
        _check_distinct(drafts)
        library = self._repository.get(library_id)
        puts = [(number, draft) for number, draft in enumerate(drafts) if isinstance(draft, PutChunkDraft)]
        chunks = self._completion.chunks(
            library.view().library,
            [draft.chunk for _, draft in puts],
            [f"/operations/{number}/put" for number, _ in puts],
        )
        completed = iter(chunks)
        operations: tuple[Operation, ...] = tuple(
            PutChunk(draft.document_id, next(completed), draft.expected)
            if isinstance(draft, PutChunkDraft)
            else DeleteChunk(draft.id, None, draft.expected, missing_ok=True)
            for draft in drafts
        )
        return library.submit(WriteBatch(operations, now(), idempotency))

    def delete_matching(
        self, library_id: str, filter_: Filter, *, dry_run: bool, idempotency: IdempotencyToken | None = None
    ) -> Counted:
        """Remove every chunk that matches now, in one commit; one that changes before the commit stays."""
        library = self._repository.get(library_id)
        view = library.view()
        allowed = allowed_rows(view, filter_, library.texts)
        if dry_run:
            return Counted(allowed.count, view.position)
        matching = tuple(library.store.versions(rows_of(view, allowed).tolist()))
        receipt = library.submit(WriteBatch((DeleteUnchanged(matching),), now(), idempotency))
        return Counted(receipt.outcomes[0].removed, receipt.position, receipt.replayed)


def _check_distinct(drafts: Sequence[BatchDraft]) -> None:
    """The same chunk twice in one batch is a mistake of the caller, whatever the order would make of it."""
    seen: set[str] = set()
    for number, draft in enumerate(drafts):
        identifier = draft.chunk.id if isinstance(draft, PutChunkDraft) else draft.id
        if identifier is None:
            continue
        if identifier in seen:
            raise ValidationFailed.at(f"/operations/{number}", "duplicate-id", "The batch names this chunk twice.")
        seen.add(identifier)
