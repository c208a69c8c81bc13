"""Reading a whole library in batches: for the engine's start, for building segments, for the digest.

Each batch is a short read of its own, so that memory stays bounded and the write-ahead log can be merged meanwhile;
a position makes the batches one consistent state.
"""

from collections.abc import Iterator
from hashlib import blake2b

from quiredb.domain.changes import ChunkRow, DocumentRow
from quiredb.storage.connections import ReadConnections
from quiredb.storage.database import PAGE_BYTES, fetch, fetch_one
from quiredb.storage.reader import to_chunk, to_document

_ROWS_AT_ONCE = 2_000
_LAST_ROW = 2**62

_LIVE_CHUNKS = """
SELECT row, document, id, document_id, place, text, metadata, born, created_at, updated_at, vector
FROM chunk_versions
WHERE row > ?1 AND row <= ?2 AND born <= ?3 AND (died IS NULL OR died > ?3) ORDER BY row LIMIT ?4
"""
_LIVE_DOCUMENTS = """
SELECT row, key, id, metadata, chunk_count, born, created_at, updated_at FROM documents
WHERE row > ?1 AND born <= ?2 AND (died IS NULL OR died > ?2) ORDER BY row LIMIT ?3
"""
_DOCUMENTS_BY_ID = """
SELECT id, metadata, chunk_count, born, created_at, updated_at FROM documents INDEXED BY documents_id
WHERE id > ?1 AND born <= ?2 AND (died IS NULL OR died > ?2) ORDER BY id LIMIT ?3
"""
_CHUNKS_BY_ID = """
SELECT id, document_id, place, metadata, born, created_at, updated_at, text, vector FROM chunk_versions
WHERE id > ?1 AND born <= ?2 AND (died IS NULL OR died > ?2) ORDER BY id LIMIT ?3
"""
_DEATHS_SINCE = "SELECT row FROM graves WHERE row > ? AND row <= ? AND died > ? ORDER BY row"
_HAS_DEAD = """
SELECT EXISTS (SELECT 1 FROM chunks WHERE died IS NOT NULL) OR EXISTS (SELECT 1 FROM documents WHERE died IS NOT NULL)
"""


class LibraryScans:
    """Whole-library reads."""

    def __init__(self, connections: ReadConnections) -> None:
        self._connections = connections

    def live_chunk_rows(self, after_row: int, up_to_row: int | None, position: int) -> Iterator[list[ChunkRow]]:
        """Chunks alive at the position with after_row < row <= up_to_row (None: all), by row, with embeddings."""
        last = _LAST_ROW if up_to_row is None else up_to_row
        while True:
            with self._connections.borrow() as connection:
                found = fetch(connection, _LIVE_CHUNKS, (after_row, last, position, _ROWS_AT_ONCE))
            if found:
                yield [ChunkRow(row[0], row[1], to_chunk(row[2:])) for row in found]
            if len(found) < _ROWS_AT_ONCE:
                return
            after_row = found[-1][0]

    def live_document_rows(self, position: int) -> Iterator[list[DocumentRow]]:
        """Documents alive at the position, by row."""
        after_row = 0
        while True:
            with self._connections.borrow() as connection:
                found = fetch(connection, _LIVE_DOCUMENTS, (after_row, position, _ROWS_AT_ONCE))
            if found:
                yield [DocumentRow(row[0], row[1], to_document(row[2:])) for row in found]
            if len(found) < _ROWS_AT_ONCE:
                return
            after_row = found[-1][0]

    def dead_rows(self) -> list[tuple[int, int]]:
        """(row, died) of every grave."""
        with self._connections.borrow() as connection:
            return fetch(connection, "SELECT row, died FROM graves ORDER BY row")

    def deaths_since(self, after_row: int, up_to_row: int, position: int) -> list[int]:
        """The rows with after_row < row <= up_to_row that died after the position, of those that have a grave."""
        with self._connections.borrow() as connection:
            found = fetch(connection, _DEATHS_SINCE, (after_row, up_to_row, position))
        return [row for (row,) in found]

    def has_dead_versions(self) -> bool:
        """Whether a chunk or document version died and was not purged yet."""
        with self._connections.borrow() as connection:
            return bool(fetch_one(connection, _HAS_DEAD)[0])

    def free_bytes(self) -> int:
        """Bytes of pages that hold nothing."""
        with self._connections.borrow() as connection:
            return int(connection.pragma("freelist_count")) * PAGE_BYTES

    def digest(self, position: int) -> str:
        """A digest of all documents and chunks at the position, in id order, independent of rows and keys."""
        state = blake2b(digest_size=32)
        for query in (_DOCUMENTS_BY_ID, _CHUNKS_BY_ID):
            after = ""
            while True:
                with self._connections.borrow() as connection:
                    found = fetch(connection, query, (after, position, _ROWS_AT_ONCE))
                for row in found:
                    for value in row:
                        encoded = value if isinstance(value, bytes) else str(value).encode()
                        state.update(len(encoded).to_bytes(4, "little") + encoded)
                state.update(b"\xff" * 4)
                if len(found) < _ROWS_AT_ONCE:
                    break
                after = found[-1][0]
        return state.hexdigest()
