"""What the writer knows between commands: the library, the last numbers given out, the kinds of attributes."""

from collections.abc import Mapping
from dataclasses import dataclass

import apsw

from quiredb.domain.commands import CreateLibrary
from quiredb.domain.filter_fields import Field, Scope
from quiredb.domain.library import Library
from quiredb.domain.metadata import Kind
from quiredb.storage.database import fetch, fetch_one
from quiredb.storage.encoding import decode_library, encode_library


@dataclass(frozen=True, slots=True)
class LibraryState:
    """The state after one position. Row numbers and document keys grow for ever and are never given out twice."""

    library: Library
    last_chunk_row: int
    last_document_row: int
    last_document_key: int
    kinds: Mapping[Field, frozenset[Kind]]


def first_state(command: CreateLibrary) -> LibraryState:
    """An empty library, where its command lets it begin."""
    library = Library(
        id=command.id,
        dimension=command.dimension,
        metric=command.metric,
        index=command.index,
        embedder=command.embedder,
        metadata=command.metadata,
        document_count=0,
        chunk_count=0,
        position=command.position,
        version=command.position,
        created_at=command.at,
        updated_at=command.at,
    )
    return LibraryState(library, 0, 0, 0, {})


def save_state(connection: apsw.Connection, state: LibraryState) -> None:
    """Write all but the kinds, which are written where they first occur."""
    connection.execute(
        "INSERT OR REPLACE INTO state VALUES (1, ?, ?, ?, ?)",
        (encode_library(state.library), state.last_chunk_row, state.last_document_row, state.last_document_key),
    )


def load_state(connection: apsw.Connection) -> LibraryState:
    """The state as of the last commit."""
    library, chunk_row, document_row, document_key = fetch_one(
        connection, "SELECT library, last_chunk_row, last_document_row, last_document_key FROM state"
    )
    kinds: dict[Field, frozenset[Kind]] = {}
    for scope, name, kind in fetch(connection, "SELECT scope, name, kind FROM attribute_kinds"):
        field = Field(Scope(scope), name)
        kinds[field] = kinds.get(field, frozenset()) | {Kind(kind)}
    return LibraryState(decode_library(library), chunk_row, document_row, document_key, kinds)
