"""The documents and chunks that one command touches, held in memory until it is known to succeed.

What the command names is loaded with a few set queries; operations then work on dictionaries and see each other;
nothing is written before the last operation has succeeded, so a refused command needs no rollback.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

import apsw

from quiredb.domain.chunk import Chunk
from quiredb.domain.document import Document
from quiredb.domain.metadata import DocumentMetadata
from quiredb.domain.times import from_microseconds
from quiredb.storage.database import fetch, fetch_one
from quiredb.storage.encoding import decode_document_metadata
from quiredb.storage.state import LibraryState

_CHUNKS_BY_ID = """
SELECT c.id, c.row, c.document, c.place, c.born, c.created_at
FROM carray(?) AS wanted CROSS JOIN chunks AS c INDEXED BY chunks_id ON c.id = wanted.value WHERE c.died IS NULL
"""
_CHUNKS_OF_DOCUMENT = """
SELECT id, row, document, place, born, created_at FROM chunks INDEXED BY chunks_document
WHERE document = ? AND died IS NULL ORDER BY place, id
"""
# Of the versions of one document only the newest can be alive.
_DOCUMENT_BY_ID = """
SELECT died, key, id, row, chunk_count, born, created_at, updated_at, metadata
FROM documents INDEXED BY documents_id WHERE id = ? ORDER BY row DESC LIMIT 1
"""
_DOCUMENT_BY_KEY = """
SELECT died, key, id, row, chunk_count, born, created_at, updated_at, metadata
FROM documents INDEXED BY documents_key WHERE key = ? ORDER BY row DESC LIMIT 1
"""
_PLACES_DOWNWARDS = """
SELECT row, place FROM chunks INDEXED BY chunks_document
WHERE document = ? AND died IS NULL ORDER BY place DESC
"""


@dataclass(slots=True)
class StagedChunk:
    """A living chunk: stored (`row`), or made by this command (`written`)."""

    id: str
    row: int | None
    document: "StagedDocument"
    place: int
    version: int
    created_at: datetime
    written: Chunk | None = None


@dataclass(slots=True)
class StagedDocument:
    """A living document. `row` is its stored version, None when this command made it.

    `places` has those of its chunks that are staged, by id: not the chunks, which know their document, or each write
    would be a cycle and wait for the garbage collector. `last_place` is None while it is not known, -1 without chunks.
    """

    id: str
    row: int | None
    key: int
    chunk_count: int
    version: int
    created_at: datetime
    updated_at: datetime
    metadata: DocumentMetadata
    touched: bool = False
    last_place: int | None = None
    places: dict[str, int] = field(default_factory=dict)

    def as_document(self) -> Document:
        """The document as it now is."""
        return Document(self.id, self.metadata, self.chunk_count, self.version, self.created_at, self.updated_at)


class Staging:
    """One command's view of the library: what is stored, overlaid with what its operations did so far."""

    def __init__(self, connection: apsw.Connection, state: LibraryState, at: datetime) -> None:
        self._connection = connection
        self.state = state
        self.at = at
        self.position = state.library.position + 1
        self.documents: dict[str, StagedDocument] = {}
        self.chunks: dict[str, StagedChunk] = {}
        self.dead_chunk_rows: set[int] = set()
        self.dead_document_rows: set[int] = set()
        self.document_delta = 0
        self.chunk_delta = 0
        self.last_document_key = state.last_document_key
        self._documents_by_key: dict[int, StagedDocument] = {}

    def load(self, document_ids: Iterable[str], chunk_ids: Iterable[str]) -> None:
        """Stage the documents and chunks with these ids that exist, and the documents of those chunks."""
        for document_id in dict.fromkeys(document_ids):
            self._stage_document(_DOCUMENT_BY_ID, document_id)
        wanted = tuple(dict.fromkeys(chunk_ids))
        if wanted:
            self._stage_chunks(fetch(self._connection, _CHUNKS_BY_ID, (apsw.carray(wanted),)))

    def load_chunks_of(self, document: StagedDocument) -> list[StagedChunk]:
        """All chunks that the document has now."""
        if document.row is not None:
            self._stage_chunks(fetch(self._connection, _CHUNKS_OF_DOCUMENT, (document.key,)))
        return [self.chunks[chunk_id] for chunk_id in document.places]

    def add_document(self, document_id: str, metadata: DocumentMetadata) -> StagedDocument:
        """A new document, without chunks."""
        self.last_document_key += 1
        document = StagedDocument(
            document_id, None, self.last_document_key, 0, self.position, self.at, self.at, metadata, last_place=-1
        )
        document.touched = True
        self.documents[document_id] = document
        self._documents_by_key[document.key] = document
        self.document_delta += 1
        return document

    def touch(self, document: StagedDocument) -> None:
        """The document or one of its chunks changes: it gets a new version."""
        document.touched = True
        document.version = self.position
        document.updated_at = self.at

    def remove_document(self, document: StagedDocument) -> int:
        """Remove a document and its chunks; returns how many chunks it had."""
        removed = self.load_chunks_of(document)
        for chunk in removed:
            self.remove_chunk(chunk)
        if document.row is not None:
            self.dead_document_rows.add(document.row)
        del self.documents[document.id]
        self.document_delta -= 1
        return len(removed)

    def add_chunk(self, chunk: Chunk, document: StagedDocument) -> None:
        """A new chunk of the document, or a new version of one of its chunks."""
        previous = self.chunks.get(chunk.id)
        if previous is not None:
            self.remove_chunk(previous)
        staged = StagedChunk(chunk.id, None, document, chunk.position, chunk.version, chunk.created_at, chunk)
        self.chunks[chunk.id], document.places[chunk.id] = staged, chunk.position
        document.chunk_count += 1
        self.chunk_delta += 1
        if document.last_place is not None:
            document.last_place = max(document.last_place, chunk.position)
        self.touch(document)

    def remove_chunk(self, chunk: StagedChunk) -> None:
        """The living version of a chunk dies."""
        document = chunk.document
        if chunk.row is not None:
            self.dead_chunk_rows.add(chunk.row)
        del self.chunks[chunk.id]
        del document.places[chunk.id]
        document.chunk_count -= 1
        self.chunk_delta -= 1
        if document.last_place == chunk.place:
            document.last_place = None
        self.touch(document)

    def last_place(self, document: StagedDocument) -> int:
        """The greatest position among the document's chunks, -1 when it has none."""
        if document.last_place is None:
            stored = self._connection.execute(_PLACES_DOWNWARDS, (document.key,))
            last = next((place for row, place in stored if row not in self.dead_chunk_rows), -1)
            document.last_place = max(document.places.values(), default=last)
            document.last_place = max(document.last_place, last)
        return document.last_place

    def _stage_document(self, query: str, wanted: str | int) -> None:
        found = fetch_one(self._connection, query, (wanted,))
        if found is None or found[0] is not None or found[1] in self._documents_by_key:
            return
        _, key, document_id, row, chunk_count, born, created_at, updated_at, metadata = found
        document = StagedDocument(
            document_id,
            row,
            key,
            chunk_count,
            born,
            from_microseconds(created_at),
            from_microseconds(updated_at),
            decode_document_metadata(metadata),
        )
        self.documents[document_id] = self._documents_by_key[document.key] = document

    def _stage_chunks(self, found: Iterable[tuple[str, int, int, int, int, int]]) -> None:
        for chunk_id, row, key, place, born, created_at in found:
            if chunk_id in self.chunks or row in self.dead_chunk_rows:
                continue
            if key not in self._documents_by_key:
                self._stage_document(_DOCUMENT_BY_KEY, key)
            document = self._documents_by_key[key]
            staged = StagedChunk(chunk_id, row, document, place, born, from_microseconds(created_at))
            self.chunks[chunk_id], document.places[chunk_id] = staged, place
