"""A library as plain dictionaries: the obvious twin of the store, copied whole for each command."""

from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import datetime

from quiredb.domain.chunk import Chunk
from quiredb.domain.commands import (
    DeleteChunk,
    DeleteDocument,
    DeleteUnchanged,
    Expectation,
    NewChunk,
    Operation,
    Outcome,
    PutChunk,
    PutDocument,
    WriteBatch,
)
from quiredb.domain.document import Document
from quiredb.domain.errors import Conflict, NotFound, PreconditionFailed, QuireError, ValidationFailed
from quiredb.domain.metadata import DocumentMetadata


@dataclass
class Model:
    position: int = 0
    documents: dict[str, Document] = field(default_factory=dict)
    chunks: dict[str, Chunk] = field(default_factory=dict)

    def after(self, batch: WriteBatch) -> tuple["Model", list[Outcome] | type[QuireError]]:
        """The library after the batch with its outcomes, or itself with the kind of refusal."""
        changed = Model(self.position + 1, dict(self.documents), deepcopy(self.chunks))
        try:
            return changed, [changed._operate(operation, batch.at) for operation in batch.operations]
        except QuireError as refusal:
            return self, type(refusal)

    def chunks_of(self, document_id: str) -> list[Chunk]:
        found = [chunk for chunk in self.chunks.values() if chunk.document_id == document_id]
        return sorted(found, key=lambda chunk: (chunk.position, chunk.id))

    def _operate(self, operation: Operation, at: datetime) -> Outcome:
        match operation:
            case PutDocument(document_id, metadata, chunks, expected):
                return self._put_document(document_id, metadata, chunks, expected, at)
            case DeleteDocument(document_id, expected):
                self._expect(expected, self.documents.get(document_id))
                if document_id not in self.documents:
                    raise NotFound("document", document_id)
                gone = self.chunks_of(document_id)
                for chunk in gone:
                    del self.chunks[chunk.id]
                del self.documents[document_id]
                return Outcome(created=False, resource=None, removed=len(gone))
            case PutChunk(document_id, chunk, expected, create_document):
                return self._put_chunk(document_id, chunk, expected, create_document, at)
            case DeleteChunk(chunk_id, document_id, expected, missing_ok):
                found = self.chunks.get(chunk_id)
                if found is not None and document_id is not None and found.document_id != document_id:
                    found = None
                self._expect(expected, found)
                if found is None and not missing_ok:
                    raise NotFound("chunk", chunk_id)
                return Outcome(created=False, resource=None, removed=self._remove([found] if found else [], at))
            case DeleteUnchanged(pairs):
                gone = []
                for chunk_id, version in dict.fromkeys(pairs):
                    if chunk_id in self.chunks and self.chunks[chunk_id].version == version:
                        gone.append(self.chunks[chunk_id])
                return Outcome(created=False, resource=None, removed=self._remove(gone, at))

    def _put_document(
        self,
        document_id: str,
        metadata: DocumentMetadata,
        chunks: tuple[NewChunk, ...] | None,
        expected: Expectation,
        at: datetime,
    ) -> Outcome:
        old = self.documents.get(document_id)
        self._expect(expected, old)
        created_at = at if old is None else old.created_at
        count = 0 if old is None else old.chunk_count
        self.documents[document_id] = Document(document_id, metadata, count, self.position, created_at, at)
        removed = 0
        if chunks is not None:
            if len({chunk.id for chunk in chunks}) < len(chunks):
                raise ValidationFailed.at("", "", "")
            previous = {chunk.id: chunk for chunk in self.chunks_of(document_id)}
            for chunk_id in previous:
                del self.chunks[chunk_id]
            for chunk in chunks:
                if chunk.id in self.chunks:
                    raise Conflict("")
                birth = previous[chunk.id].created_at if chunk.id in previous else at
                self._write(document_id, chunk, self._place(document_id, chunk.position), birth, at)
            removed = len(previous.keys() - {chunk.id for chunk in chunks})
        self._count(document_id, at)
        return Outcome(created=old is None, resource=self.documents[document_id], removed=removed)

    def _put_chunk(
        self, document_id: str, new: NewChunk, expected: Expectation, create_document: bool, at: datetime
    ) -> Outcome:
        if document_id not in self.documents and not create_document:
            raise NotFound("document", document_id)
        old = self.chunks.get(new.id)
        if old is not None and old.document_id != document_id:
            raise Conflict("")
        self._expect(expected, old)
        if document_id not in self.documents:
            self.documents[document_id] = Document(document_id, DocumentMetadata(), 0, self.position, at, at)
        place = old.position if old is not None and new.position is None else self._place(document_id, new.position)
        self._write(document_id, new, place, at if old is None else old.created_at, at)
        self._count(document_id, at)
        return Outcome(created=old is None, resource=replace(self.chunks[new.id], embedding=None))

    def _write(self, document_id: str, new: NewChunk, place: int, created_at: datetime, at: datetime) -> None:
        self.chunks[new.id] = Chunk(
            new.id, document_id, place, new.text, new.metadata, self.position, created_at, at, new.embedding
        )

    def _remove(self, chunks: list[Chunk], at: datetime) -> int:
        for chunk in chunks:
            del self.chunks[chunk.id]
            self._count(chunk.document_id, at)
        return len(chunks)

    def _place(self, document_id: str, position: int | None) -> int:
        if position is not None:
            return position
        return max((chunk.position for chunk in self.chunks_of(document_id)), default=-1) + 1

    def _count(self, document_id: str, at: datetime) -> None:
        self.documents[document_id] = replace(
            self.documents[document_id],
            chunk_count=len(self.chunks_of(document_id)),
            version=self.position,
            updated_at=at,
        )

    def _expect(self, expected: Expectation, found: Document | Chunk | None) -> None:
        version = None if found is None else found.version
        if (expected.absent and version is not None) or expected.version not in {None, version}:
            raise PreconditionFailed("")
