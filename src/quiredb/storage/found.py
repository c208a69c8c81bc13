"""What a search shows of chunks, as JSON, kept for the rows that searches find again.

A row is a version of a chunk and never changes, so what was read of it stays true.
"""

import threading
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import orjson

from quiredb.domain.search import FoundChunk, Include
from quiredb.storage.connections import ReadConnections
from quiredb.storage.database import fetch
from quiredb.storage.reader import row_array

FOUND_BYTES_MAX = 32 * 1024 * 1024
_OVERHEAD_BYTES = 400
"""Of one chunk that is kept, beside its JSON: a tuple, two byte strings, a key, its part of a table."""

_FOUND = """
SELECT v.row, v.id, v.document_id, v.place, CASE WHEN ?2 THEN v.text END, CASE WHEN ?3 THEN v.metadata END
FROM carray(?1) AS wanted CROSS JOIN chunk_versions AS v ON v.row = wanted.value
"""
_VECTORS = "SELECT e.row, e.vector FROM carray(?) AS wanted CROSS JOIN embeddings AS e ON e.row = wanted.value"


_Kept: TypeAlias = dict[int, FoundChunk]
_Generation: TypeAlias = tuple[_Kept, _Kept, _Kept, _Kept]
"""By row, for each kind of showing it: ids alone, with metadata, with text, with both."""


class FoundChunks:
    """Reads what searches show, for any number of threads; what it keeps takes at most about `bytes_max`.

    It keeps two generations: what is asked for moves to the younger one, and when that has taken half of the bytes, the
    older one is forgotten and the younger takes its place. Rows that are purged are to be forgotten by name, or a
    small library that changes all the time would fill the bytes with versions that nobody can find.
    """

    def __init__(self, connections: ReadConnections, bytes_max: int = FOUND_BYTES_MAX) -> None:
        self._connections = connections
        self._generation_bytes_max = bytes_max // 2
        self._young = _generation()
        self._old = _generation()
        self._young_bytes = 0
        self._old_bytes = 0
        self._keeping = threading.Lock()

    @property
    def nbytes(self) -> int:
        """About how many bytes it keeps."""
        return self._young_bytes + self._old_bytes

    def found(self, rows: Sequence[int], include: frozenset[Include]) -> dict[int, FoundChunk]:
        """What a search shows of the versions of chunks that have these rows; purged rows may be missing."""
        text, metadata = Include.TEXT in include, Include.METADATA in include
        kind = 2 * text + metadata
        young = self._young[kind]
        try:
            return dict(zip(rows, map(young.__getitem__, rows), strict=True))
        except KeyError:
            found = {row: chunk for row in rows if (chunk := young.get(row)) is not None}
        missing = [row for row in rows if row not in found]
        return found | self._older(missing, kind, text=text, metadata=metadata)

    def forget(self, rows: Sequence[int]) -> None:
        """Keep nothing of these rows any more."""
        with self._keeping:
            self._young_bytes -= _dropped(self._young, rows)
            self._old_bytes -= _dropped(self._old, rows)

    def vectors(self, rows: Sequence[int]) -> dict[int, bytes]:
        """The embeddings of these rows. They are large, so none is kept."""
        if not len(rows):
            return {}
        with self._connections.borrow() as connection:
            return dict(fetch(connection, _VECTORS, (row_array(sorted(rows)),)))

    def _older(self, rows: Sequence[int], kind: int, *, text: bool, metadata: bool) -> dict[int, FoundChunk]:
        """Those that are not young: of the older generation, or from the database."""
        old = self._old[kind]
        found = {row: chunk for row in rows if (chunk := old.get(row)) is not None}
        unread = [row for row in rows if row not in found]
        if unread:
            found.update(self._read(unread, text=text, metadata=metadata))
        self._keep(found.items(), kind)
        return found

    def _read(self, rows: Iterable[int], *, text: bool, metadata: bool) -> dict[int, FoundChunk]:
        """Rows are read in their order in the file, so that each page is visited once."""
        with self._connections.borrow() as connection:
            found = fetch(connection, _FOUND, (row_array(sorted(rows)), text, metadata))
        return {row[0]: _as_json(row[1:]) for row in found}

    def _keep(self, found: Iterable[tuple[int, FoundChunk]], kind: int) -> None:
        with self._keeping:
            young = self._young[kind]
            for row, chunk in found:
                if young.setdefault(row, chunk) is chunk:
                    self._young_bytes += _bytes(chunk)
            if self._young_bytes > self._generation_bytes_max:
                self._old, self._old_bytes = self._young, self._young_bytes
                self._young, self._young_bytes = _generation(), 0


def _generation() -> _Generation:
    return ({}, {}, {}, {})


def _dropped(generation: _Generation, rows: Sequence[int]) -> int:
    """Drop these rows; returns the bytes that they took."""
    return sum(_bytes(kept.pop(row)) for kept in generation for row in rows if row in kept)


def _bytes(chunk: FoundChunk) -> int:
    return len(chunk.names) + len(chunk.contents) + _OVERHEAD_BYTES


def _as_json(stored: Sequence[Any]) -> FoundChunk:
    """From (id, document id, place, text, metadata), the last two None where they are not to be shown."""
    chunk_id, document_id, place, text, metadata = stored
    names = orjson.dumps({"id": chunk_id, "document_id": document_id})[1:-1]
    contents = b'"position":%d' % place
    if text is not None:
        contents += b',"text":' + orjson.dumps(text)
    if metadata is not None:
        contents += b',"metadata":' + metadata
    return FoundChunk(names, contents)
