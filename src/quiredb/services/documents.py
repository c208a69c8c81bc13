"""Documents: list, read, write with or without chunks, remove."""

from collections.abc import Callable

from quiredb.domain.commands import (
    ANY_STATE,
    DeleteDocument,
    Expectation,
    IdempotencyToken,
    PutDocument,
    Receipt,
    WriteBatch,
)
from quiredb.domain.document import Document
from quiredb.domain.drafts import DocumentDraft
from quiredb.domain.errors import Conflict, NotFound, PreconditionFailed, ValidationFailed
from quiredb.domain.identifiers import check_identifier, new_identifier
from quiredb.domain.library import Library
from quiredb.domain.limits import CHUNKS_PER_DOCUMENT_MAX
from quiredb.domain.metadata import DocumentMetadata
from quiredb.domain.reading import Page, Read
from quiredb.domain.retrying import exactly, retry_unless_expected
from quiredb.domain.times import now
from quiredb.embedders.completion import Completion
from quiredb.repositories.libraries import LibraryRepository


class DocumentService:
    """Use cases on documents."""

    def __init__(self, repository: LibraryRepository, completion: Completion) -> None:
        self._repository = repository
        self._completion = completion

    def list(self, library_id: str, after: str | None, limit: int) -> Page[Document]:
        """At most `limit` documents with ids greater than `after`, by id."""
        library = self._repository.get(library_id)
        view = library.view()
        found = library.store.documents(view.position, after, limit + 1)
        return Page(tuple(found[:limit]), len(found) > limit, view.position)

    def get(self, library_id: str, document_id: str) -> Read[Document]:
        """One document."""
        library = self._repository.get(library_id)
        view = library.view()
        document = library.store.document(document_id, view.position)
        if document is None:
            raise NotFound("document", document_id)
        return Read(document, view.position)

    def put(
        self,
        library_id: str,
        draft: DocumentDraft,
        expected: Expectation = ANY_STATE,
        idempotency: IdempotencyToken | None = None,
    ) -> Receipt:
        """Create or replace a document; with chunks, replace them all in the same commit."""
        library = self._repository.get(library_id)
        operation = self._operation(library.view().library, draft, expected)
        return library.submit(WriteBatch((operation,), now(), idempotency))

    def create(self, library_id: str, draft: DocumentDraft, idempotency: IdempotencyToken | None = None) -> Receipt:
        """Make a new document; a taken id is a `Conflict`."""
        try:
            return self.put(library_id, draft, Expectation(absent=True), idempotency)
        except PreconditionFailed as error:
            raise Conflict(f"{error.detail} Use PUT to replace it.") from error

    def patch(
        self,
        library_id: str,
        document_id: str,
        edit: Callable[[Document], DocumentMetadata],
        expected: Expectation = ANY_STATE,
    ) -> Receipt:
        """Change metadata from what it is; the chunks stay. Retried when somebody else wrote in between."""

        def attempt() -> Receipt:
            current = self.get(library_id, document_id).resource
            draft = DocumentDraft(document_id, edit(current))
            return self.put(library_id, draft, exactly(expected, current.version))

        return retry_unless_expected(expected, attempt)

    def delete(self, library_id: str, document_id: str, expected: Expectation = ANY_STATE) -> Receipt:
        """Remove a document and its chunks."""
        library = self._repository.get(library_id)
        return library.submit(WriteBatch((DeleteDocument(document_id, expected),), now()))

    def _operation(self, library: Library, draft: DocumentDraft, expected: Expectation) -> PutDocument:
        document_id = new_identifier() if draft.id is None else check_identifier(draft.id, "/id")
        if draft.chunks is None:
            return PutDocument(document_id, draft.metadata, None, expected)
        if len(draft.chunks) > CHUNKS_PER_DOCUMENT_MAX:
            raise ValidationFailed.at(
                "/chunks", "too-many", f"A document holds at most {CHUNKS_PER_DOCUMENT_MAX} chunks: split it."
            )
        pointers = [f"/chunks/{number}" for number in range(len(draft.chunks))]
        chunks = self._completion.chunks(library, draft.chunks, pointers)
        return PutDocument(document_id, draft.metadata, chunks, expected)
