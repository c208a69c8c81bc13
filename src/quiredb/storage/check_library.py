"""Checking one library: its pages, its tables against each other, its rows, its segment files."""

from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import apsw
import numpy as np

from quiredb.domain.chunk import EMBEDDING_COMPONENT_BYTES
from quiredb.domain.errors import FormatUnsupported, StorageFailed
from quiredb.domain.limits import CHUNK_POSITION_MAX
from quiredb.storage.connections import ReadConnections, WriteConnection
from quiredb.storage.database import PAGE_BYTES, fetch, fetch_one
from quiredb.storage.encoding import decode_chunk_metadata, decode_document_metadata
from quiredb.storage.files import read_file
from quiredb.storage.findings import Finding, Severity
from quiredb.storage.library_store import DATABASE_NAME
from quiredb.storage.segment_file import open_segment
from quiredb.storage.segments import Segments
from quiredb.storage.state import LibraryState, load_state

_ROWS_AT_ONCE = 2_000
_REPORTED_MAX = 100

_DOUBLES = (
    ("chunk", "SELECT id, count(*) FROM chunks WHERE died IS NULL GROUP BY id HAVING count(*) > 1"),
    ("document", "SELECT id, count(*) FROM documents WHERE died IS NULL GROUP BY id HAVING count(*) > 1"),
)
_COUNTS = """
SELECT d.id, d.chunk_count, (SELECT count(*) FROM chunks c WHERE c.document = d.key AND c.died IS NULL) AS counted
FROM documents d WHERE d.died IS NULL AND d.chunk_count <> counted
"""
_HOMELESS = """
SELECT c.id FROM chunks c
WHERE c.died IS NULL AND NOT EXISTS (SELECT 1 FROM documents d WHERE d.key = c.document AND d.died IS NULL)
"""
_LEFT_BEHIND = (
    ("a text", "SELECT row FROM texts WHERE row NOT IN (SELECT row FROM chunks)"),
    ("an embedding", "SELECT row FROM embeddings WHERE row NOT IN (SELECT row FROM chunks)"),
)
_FORGOTTEN_GRAVES = """
SELECT c.row FROM segments s JOIN chunks c ON c.row > s.low_row AND c.row <= s.high_row
WHERE c.died > s.position AND c.row NOT IN (SELECT row FROM graves)
"""
_CHUNK_ROWS = """
SELECT row, id, place, born, died, metadata, text, vector FROM chunk_versions WHERE row > ? ORDER BY row LIMIT ?
"""
_DOCUMENT_ROWS = "SELECT row, id, born, died, metadata FROM documents WHERE row > ? ORDER BY row LIMIT ?"


def check_database(path: Path, *, is_shared: bool = False) -> Iterator[Finding]:
    """The checksum of every page (also free ones), and SQLite's own integrity check of a database file.

    is_shared: other processes may have it open.
    Raises `FormatUnsupported` when it is newer: nobody can tell what it should hold.
    """
    try:
        writer = WriteConnection.open_shared(path) if is_shared else WriteConnection.open(path)
        with closing(writer), writer.plain() as connection:
            damaged = list(_damaged_pages(path, connection))
            complaints = [] if damaged else fetch(connection, "PRAGMA integrity_check")
    except FormatUnsupported:
        raise
    except StorageFailed as error:
        yield Finding(Severity.ERROR, str(path), error.detail)
        return
    yield from damaged
    yield from (Finding(Severity.ERROR, str(path), line) for (line,) in complaints if line != "ok")


def check_library(folder: Path, library_id: str) -> Iterator[Finding]:
    """Everything about one library. Rows are read only from a database whose pages are sound."""
    path = folder / DATABASE_NAME
    where = f"library {library_id}"
    damaged = list(check_database(path))
    yield from damaged
    if damaged:
        return
    writer = WriteConnection.open(path)
    readers = ReadConnections(writer.health)
    try:
        with writer.plain() as connection:
            state = load_state(connection)
            if state.library.id != library_id:
                yield Finding(Severity.ERROR, where, f"{path} holds the library {state.library.id!r}.")
            yield from _capped(_check_tables(connection, state, where), where)
            yield from _capped(_check_chunk_rows(connection, state, where), where)
            yield from _capped(_check_document_rows(connection, state, where), where)
            yield from _check_segments(Segments(folder, writer, readers), state, where)
    finally:
        readers.close()
        writer.close()


def _damaged_pages(path: Path, connection: apsw.Connection) -> Iterator[Finding]:
    number = 0
    while page := read_file(path, PAGE_BYTES, number * PAGE_BYTES):
        number += 1
        if len(page) < PAGE_BYTES or not fetch_one(connection, "SELECT verify_checksum(?)", (page,))[0]:
            yield Finding(Severity.ERROR, str(path), f"Page {number} does not match its checksum.")


def _capped(findings: Iterator[Finding], where: str) -> Iterator[Finding]:
    for count, finding in enumerate(findings):
        if count == _REPORTED_MAX:
            yield Finding(Severity.ERROR, where, "There are more findings of this kind.")
            return
        yield finding


def _check_tables(connection: apsw.Connection, state: LibraryState, where: str) -> Iterator[Finding]:
    library = state.library
    for what, query in _DOUBLES:
        for identifier, count in fetch(connection, query):
            yield Finding(Severity.ERROR, where, f"The {what} {identifier!r} lives {count} times.")
    counted = fetch_one(
        connection,
        "SELECT (SELECT count(*) FROM documents WHERE died IS NULL), (SELECT count(*) FROM chunks WHERE died IS NULL)",
    )
    if counted != (library.document_count, library.chunk_count):
        stored = f"{library.document_count} documents and {library.chunk_count} chunks"
        yield Finding(Severity.ERROR, where, f"{stored} are recorded, {counted[0]} and {counted[1]} are there.")
    for identifier, stored, found in fetch(connection, _COUNTS):
        yield Finding(Severity.ERROR, where, f"The document {identifier!r} records {stored} chunks, {found} are there.")
    for (identifier,) in fetch(connection, _HOMELESS):
        yield Finding(Severity.ERROR, where, f"The chunk {identifier!r} has no document.")
    for what, query in _LEFT_BEHIND:
        for (row,) in fetch(connection, query):
            yield Finding(Severity.ERROR, where, f"Row {row}: there is {what} but no chunk.")
    for (row,) in fetch(connection, _FORGOTTEN_GRAVES):
        yield Finding(Severity.ERROR, where, f"Row {row} died after its segment was built and has no grave.")


def _check_chunk_rows(connection: apsw.Connection, state: LibraryState, where: str) -> Iterator[Finding]:
    embedding_bytes = state.library.dimension * EMBEDDING_COMPONENT_BYTES
    for row, identifier, place, born, died, metadata, text, vector in _batches(connection, _CHUNK_ROWS):
        at = f"{where}, chunk {identifier!r}, row {row}"
        if not _lifetime_is_sane(born, died, state) or row > state.last_chunk_row:
            yield Finding(Severity.ERROR, at, f"Born at {born} and died at {died} in a library at another position.")
        if not 0 <= place <= CHUNK_POSITION_MAX:
            yield Finding(Severity.ERROR, at, f"It is at the position {place}.")
        if text is None:
            yield Finding(Severity.ERROR, at, "The text is missing.")
        if vector is None or len(vector) != embedding_bytes:
            yield Finding(Severity.ERROR, at, "The embedding is missing or has the wrong length.")
        elif not np.isfinite(np.frombuffer(vector, dtype="<f4")).all():
            yield Finding(Severity.ERROR, at, "The embedding holds NaN or infinity.")
        if not _decodes(decode_chunk_metadata, metadata):
            yield Finding(Severity.ERROR, at, "The metadata cannot be read.")


def _check_document_rows(connection: apsw.Connection, state: LibraryState, where: str) -> Iterator[Finding]:
    for row, identifier, born, died, metadata in _batches(connection, _DOCUMENT_ROWS):
        at = f"{where}, document {identifier!r}, row {row}"
        if not _lifetime_is_sane(born, died, state) or row > state.last_document_row:
            yield Finding(Severity.ERROR, at, f"Born at {born} and died at {died} in a library at another position.")
        if not _decodes(decode_document_metadata, metadata):
            yield Finding(Severity.ERROR, at, "The metadata cannot be read.")


def _check_segments(segments: Segments, state: LibraryState, where: str) -> Iterator[Finding]:
    records = segments.records()
    for record in records:
        at = f"{where}, segment {record.name}"
        if not 0 <= record.low_row < record.high_row <= state.last_chunk_row:
            yield Finding(Severity.ERROR, at, f"It claims the rows {record.low_row} to {record.high_row}.")
        if record.position > state.library.position:
            yield Finding(Severity.ERROR, at, f"It is from position {record.position}, ahead of the library.")
        try:
            file = open_segment(segments.path(record.name))
            file.verify()
            file.close()
        except StorageFailed as error:
            yield Finding(Severity.WARNING, at, f"{error.detail} It will be built again.")
    for before, after in pairwise(records):
        if after.low_row < before.high_row:
            yield Finding(Severity.ERROR, where, f"The segments {before.name} and {after.name} share rows.")
    for name in segments.unlisted():
        yield Finding(Severity.WARNING, where, f"The segment file {name} is not listed.")


def _batches(connection: apsw.Connection, query: str) -> Iterator[tuple[Any, ...]]:
    after = 0
    while found := fetch(connection, query, (after, _ROWS_AT_ONCE)):
        yield from found
        after = found[-1][0]


def _lifetime_is_sane(born: int, died: int | None, state: LibraryState) -> bool:
    last = state.library.position
    return 0 < born <= last and (died is None or born < died <= last)


def _decodes(decode: Any, stored: bytes) -> bool:
    try:
        decode(stored)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
        return False
    return True
