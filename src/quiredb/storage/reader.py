"""Reading one library at a position: single resources, pages of lists, the rows of hits."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import apsw
import numpy as np

from quiredb.domain.chunk import Chunk
from quiredb.domain.document import Document
from quiredb.domain.times import from_microseconds
from quiredb.storage.connections import ReadConnections
from quiredb.storage.database import fetch, fetch_one
from quiredb.storage.encoding import decode_chunk_metadata, decode_document_metadata

_TEXTS_AT_ONCE = 500
_VERSIONS_AT_ONCE = 5_000

# Versions of one id do not overlap: of those born by a position, only the newest can be visible at it.
_CHUNK = """
SELECT died, row, id, document_id, place, text, metadata, born, created_at, updated_at, CASE WHEN ?3 THEN vector END
FROM chunk_versions WHERE id = ?1 AND born <= ?2 ORDER BY row DESC LIMIT 1
"""
_DOCUMENT = """
SELECT died, key, id, metadata, chunk_count, born, created_at, updated_at
FROM documents INDEXED BY documents_id WHERE id = ?1 AND born <= ?2 ORDER BY row DESC LIMIT 1
"""
_DOCUMENT_CHUNKS = """
SELECT row, id, document_id, place, text, metadata, born, created_at, updated_at, CASE WHEN ?6 THEN vector END
FROM chunk_versions
WHERE document = ?1 AND (place, id) > (?2, ?3) AND born <= ?4 AND (died IS NULL OR died > ?4)
ORDER BY place, id LIMIT ?5
"""
_DOCUMENTS = """
SELECT key, id, metadata, chunk_count, born, created_at, updated_at FROM documents INDEXED BY documents_id
WHERE id > ?1 AND born <= ?2 AND (died IS NULL OR died > ?2) ORDER BY id LIMIT ?3
"""
_CHUNKS_BY_ROW = """
SELECT v.row, v.id, v.document_id, v.place, v.text, v.metadata, v.born, v.created_at, v.updated_at,
    CASE WHEN ?2 THEN v.vector END
FROM carray(?1) AS wanted CROSS JOIN chunk_versions AS v ON v.row = wanted.value
"""
_DOCUMENTS_BY_KEY = """
SELECT d.key, d.id, d.metadata, d.chunk_count, d.born, d.created_at, d.updated_at
FROM carray(?1) AS wanted CROSS JOIN documents AS d INDEXED BY documents_key ON d.key = wanted.value
WHERE d.born <= ?2 AND (d.died IS NULL OR d.died > ?2)
"""
_VERSIONS = "SELECT c.id, c.born FROM carray(?) AS wanted CROSS JOIN chunks AS c ON c.row = wanted.value"
_TEXTS = "SELECT t.row, t.text FROM carray(?) AS wanted CROSS JOIN texts AS t ON t.row = wanted.value"


def to_chunk(found: Sequence[Any]) -> Chunk:
    """A chunk from (id, document id, place, text, metadata, born, created, updated, vector)."""
    chunk_id, document_id, place, text, metadata, born, created_at, updated_at, vector = found
    return Chunk(
        chunk_id,
        document_id,
        place,
        text,
        decode_chunk_metadata(metadata),
        born,
        from_microseconds(created_at),
        from_microseconds(updated_at),
        vector,
    )


def to_document(found: Sequence[Any]) -> Document:
    """A document from (id, metadata, chunk count, born, created, updated)."""
    document_id, metadata, chunk_count, born, created_at, updated_at = found
    return Document(
        document_id,
        decode_document_metadata(metadata),
        chunk_count,
        born,
        from_microseconds(created_at),
        from_microseconds(updated_at),
    )


def row_array(rows: Iterable[int]) -> Any:
    """Row numbers as an argument of SQLite's `carray`."""
    return apsw.carray(np.fromiter(rows, dtype=np.int64))


class LibraryReader:
    """Reads for any number of threads. A position may be read for as long as nothing alive at it was purged."""

    def __init__(self, connections: ReadConnections) -> None:
        self._connections = connections

    def chunk(self, chunk_id: str, position: int, with_embedding: bool = False) -> Chunk | None:
        """The chunk as it is at the position, or None."""
        with self._connections.borrow() as connection:
            found = fetch_one(connection, _CHUNK, (chunk_id, position, with_embedding))
        return to_chunk(found[2:]) if found is not None and _alive(found[0], position) else None

    def document(self, document_id: str, position: int) -> Document | None:
        """The document as it is at the position, or None."""
        with self._connections.borrow() as connection:
            found = fetch_one(connection, _DOCUMENT, (document_id, position))
        return to_document(found[2:]) if found is not None and _alive(found[0], position) else None

    def document_chunks(
        self,
        document_id: str,
        position: int,
        after: tuple[int, str] | None,
        limit: int,
        with_embedding: bool = False,
    ) -> list[Chunk]:
        """The document's chunks by (position, id), those after the key `after`, at most `limit`."""
        place, chunk_id = (-1, "") if after is None else after
        with self._connections.borrow() as connection:
            document = fetch_one(connection, _DOCUMENT, (document_id, position))
            if document is None or not _alive(document[0], position):
                return []
            found = fetch(connection, _DOCUMENT_CHUNKS, (document[1], place, chunk_id, position, limit, with_embedding))
        return [to_chunk(row[1:]) for row in found]

    def documents(self, position: int, after: str | None, limit: int) -> list[Document]:
        """Documents by id, those after the id `after`, at most `limit`."""
        with self._connections.borrow() as connection:
            found = fetch(connection, _DOCUMENTS, (after or "", position, limit))
        return [to_document(row[1:]) for row in found]

    def chunks_by_row(self, rows: Sequence[int], with_embedding: bool = False) -> dict[int, Chunk]:
        """The versions of chunks that have these rows; purged rows are missing."""
        if not len(rows):
            return {}
        with self._connections.borrow() as connection:
            found = fetch(connection, _CHUNKS_BY_ROW, (row_array(rows), with_embedding))
        return {row[0]: to_chunk(row[1:]) for row in found}

    def documents_by_key(self, keys: Sequence[int], position: int) -> dict[int, Document]:
        """The documents that have these keys and exist at the position."""
        if not len(keys):
            return {}
        with self._connections.borrow() as connection:
            found = fetch(connection, _DOCUMENTS_BY_KEY, (row_array(keys), position))
        return {row[0]: to_document(row[1:]) for row in found}

    def texts(self, rows: Sequence[int]) -> Iterator[tuple[int, str]]:
        """(row, text) of these rows, in their order; purged rows are missing."""
        for start in range(0, len(rows), _TEXTS_AT_ONCE):
            wanted = row_array(rows[start : start + _TEXTS_AT_ONCE])
            with self._connections.borrow() as connection:
                found = fetch(connection, _TEXTS, (wanted,))
            yield from found

    def versions(self, rows: Sequence[int]) -> Iterator[tuple[str, int]]:
        """(chunk id, version) of these rows, in their order; purged rows are missing."""
        for start in range(0, len(rows), _VERSIONS_AT_ONCE):
            wanted = row_array(rows[start : start + _VERSIONS_AT_ONCE])
            with self._connections.borrow() as connection:
                found = fetch(connection, _VERSIONS, (wanted,))
            yield from found


def _alive(died: int | None, position: int) -> bool:
    return died is None or died > position
