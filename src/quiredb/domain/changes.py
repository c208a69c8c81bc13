"""What a committed command did to rows: the store's result and the engine's input.

Rows are versions: every write of a chunk or document makes a new row number, and the old row dies at that position.
"""

from dataclasses import dataclass

from quiredb.domain.chunk import Chunk
from quiredb.domain.document import Document
from quiredb.domain.filter_fields import Field
from quiredb.domain.library import Library
from quiredb.domain.metadata import Kind


@dataclass(frozen=True, slots=True)
class ChunkRow:
    """A version of a chunk (with its embedding) and the key of its document, which outlives document versions."""

    row: int
    document_key: int
    chunk: Chunk


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """A version of a document. `key` stays the same from version to version; `row` does not."""

    row: int
    key: int
    document: Document


@dataclass(frozen=True, slots=True)
class Change:
    """The effect of one command, in rows. `library` is the library after it."""

    position: int
    library: Library
    chunks_born: tuple[ChunkRow, ...] = ()
    chunks_died: tuple[int, ...] = ()
    documents_born: tuple[DocumentRow, ...] = ()
    documents_died: tuple[int, ...] = ()
    attribute_kinds: tuple[tuple[Field, Kind], ...] = ()
    """Kinds that attributes took for the first time in this library."""
