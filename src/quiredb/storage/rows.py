"""Writing what one command staged: old versions die, new ones are born, with few statements for many rows."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

import apsw
import numpy as np

from quiredb.domain.changes import Change, ChunkRow, DocumentRow
from quiredb.domain.filter_fields import ATTRIBUTES, Field, Scope
from quiredb.domain.metadata import AttributeValue, Kind, kind_of, typed
from quiredb.domain.times import to_microseconds
from quiredb.storage.encoding import encode_chunk_metadata, encode_document_metadata
from quiredb.storage.staging import Staging
from quiredb.storage.state import LibraryState


def write_staged(connection: apsw.Connection, staging: Staging) -> tuple[LibraryState, Change]:
    """Write a command's effect. Returns the state after it and the change in rows."""
    state = staging.state
    chunks = _number_chunks(staging)
    documents = _number_documents(staging)
    chunks_died = tuple(sorted(staging.dead_chunk_rows))
    documents_died = tuple(sorted(staging.dead_document_rows))
    _bury_chunks(connection, chunks_died, staging.position)
    _bury_documents(connection, documents_died, staging.position)
    _insert_chunks(connection, chunks)
    _insert_documents(connection, documents)
    new_kinds = _new_kinds(state, chunks, documents)
    _insert_kinds(connection, new_kinds)
    library = replace(
        state.library,
        document_count=state.library.document_count + staging.document_delta,
        chunk_count=state.library.chunk_count + staging.chunk_delta,
        position=staging.position,
    )
    after = LibraryState(
        library,
        state.last_chunk_row + len(chunks),
        state.last_document_row + len(documents),
        staging.last_document_key,
        _with_kinds(state, new_kinds),
    )
    return after, Change(staging.position, library, chunks, chunks_died, documents, documents_died, new_kinds)


def _number_chunks(staging: Staging) -> tuple[ChunkRow, ...]:
    written = ((chunk.written, chunk.document.key) for chunk in staging.chunks.values())
    born = ((chunk, key) for chunk, key in written if chunk is not None)
    return tuple(ChunkRow(row, key, chunk) for row, (chunk, key) in enumerate(born, staging.state.last_chunk_row + 1))


def _number_documents(staging: Staging) -> tuple[DocumentRow, ...]:
    touched = [document for document in staging.documents.values() if document.touched]
    staging.dead_document_rows.update(document.row for document in touched if document.row is not None)
    first = staging.state.last_document_row + 1
    return tuple(DocumentRow(row, document.key, document.as_document()) for row, document in enumerate(touched, first))


def _bury_chunks(connection: apsw.Connection, rows: tuple[int, ...], position: int) -> None:
    if not rows:
        return
    wanted = apsw.carray(np.array(rows, dtype=np.int64))
    connection.execute("UPDATE chunks SET died = ? WHERE row IN (SELECT value FROM carray(?))", (position, wanted))
    connection.execute("INSERT INTO graves (row, died) SELECT value, ? FROM carray(?)", (position, wanted))


def _bury_documents(connection: apsw.Connection, rows: tuple[int, ...], position: int) -> None:
    if rows:
        wanted = apsw.carray(np.array(rows, dtype=np.int64))
        connection.execute(
            "UPDATE documents SET died = ? WHERE row IN (SELECT value FROM carray(?))", (position, wanted)
        )


def _insert_chunks(connection: apsw.Connection, rows: tuple[ChunkRow, ...]) -> None:
    if not rows:
        return
    connection.executemany(
        "INSERT INTO chunks (row, id, document, place, born, created_at, updated_at, metadata)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            (
                row.row,
                row.chunk.id,
                row.document_key,
                row.chunk.position,
                row.chunk.version,
                to_microseconds(row.chunk.created_at),
                to_microseconds(row.chunk.updated_at),
                encode_chunk_metadata(row.chunk.metadata),
            )
            for row in rows
        ),
    )
    # One step of SQLite for all rows: the interpreter is free meanwhile. A carray counts its rows from 1.
    # Texts go in as bytes, because a carray of strings would end each at its first NUL.
    before = rows[0].row - 1
    texts = apsw.carray(tuple(row.chunk.text.encode() for row in rows))
    connection.execute(
        "INSERT INTO texts (row, text) SELECT ? + rowid, CAST(value AS TEXT) FROM carray(?)", (before, texts)
    )
    vectors = apsw.carray(tuple(row.chunk.embedding for row in rows if row.chunk.embedding is not None))
    connection.execute("INSERT INTO embeddings (row, vector) SELECT ? + rowid, value FROM carray(?)", (before, vectors))


def _insert_documents(connection: apsw.Connection, rows: tuple[DocumentRow, ...]) -> None:
    if not rows:
        return
    connection.executemany(
        "INSERT INTO documents (row, key, id, chunk_count, born, created_at, updated_at, metadata)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            (
                row.row,
                row.key,
                row.document.id,
                row.document.chunk_count,
                row.document.version,
                to_microseconds(row.document.created_at),
                to_microseconds(row.document.updated_at),
                encode_document_metadata(row.document.metadata),
            )
            for row in rows
        ),
    )


def _new_kinds(
    state: LibraryState, chunks: tuple[ChunkRow, ...], documents: tuple[DocumentRow, ...]
) -> tuple[tuple[Field, Kind], ...]:
    chunk_attributes = (row.chunk.metadata.attributes for row in chunks)
    document_attributes = (row.document.metadata.attributes for row in documents)
    found = _kinds(Scope.CHUNK, chunk_attributes) | _kinds(Scope.DOCUMENT, document_attributes)
    seen = ((Field(scope, ATTRIBUTES + name), kind) for scope, name, kind in found)
    return tuple((field, kind) for field, kind in seen if kind not in state.kinds.get(field, ()))


def _kinds(scope: Scope, attributes: Iterable[Mapping[str, AttributeValue]]) -> dict[tuple[Scope, str, Kind], None]:
    """The distinct kinds in the order of their first occurrence."""
    kinds: dict[tuple[Scope, str, Kind], None] = {}
    seen: set[tuple[str, type]] = set()
    for each in attributes:
        for name, value in each.items():
            # Strings are of two kinds, and an empty list of none: only of other types does one value tell for all.
            if (name, value.__class__) in seen or value == ():
                continue
            kinds[scope, name, kind_of(typed(value))] = None
            if not isinstance(value, str):
                seen.add((name, value.__class__))
    return kinds


def _insert_kinds(connection: apsw.Connection, kinds: tuple[tuple[Field, Kind], ...]) -> None:
    if kinds:
        connection.executemany(
            "INSERT INTO attribute_kinds (scope, name, kind) VALUES (?, ?, ?)",
            ((field.scope.value, field.name, kind.value) for field, kind in kinds),
        )


def _with_kinds(state: LibraryState, kinds: tuple[tuple[Field, Kind], ...]) -> Mapping[Field, frozenset[Kind]]:
    if not kinds:
        return state.kinds
    after = dict(state.kinds)
    for field, kind in kinds:
        after[field] = after.get(field, frozenset()) | {kind}
    return after
