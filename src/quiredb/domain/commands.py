"""Every write as frozen data. A command carries all that is not deterministic: ids, times, embeddings.

Applying the same commands to the same state gives the same state on every node.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from quiredb.domain.chunk import Chunk, Embedding
from quiredb.domain.document import Document
from quiredb.domain.library import EmbedderSpec, IndexSpec, Library
from quiredb.domain.metadata import ChunkMetadata, DocumentMetadata, LibraryMetadata
from quiredb.domain.metric import Metric


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a write expects of its target, judged when the command is applied. At most one of the two is set."""

    version: int | None = None
    absent: bool = False


ANY_STATE = Expectation()


@dataclass(frozen=True, slots=True)
class IdempotencyToken:
    """The caller's key (with its route) and a digest of the request it stands for.

    `brief`: a repeat needs the position of the first answer only, not what was written.
    """

    key: str
    digest: str
    brief: bool = False


@dataclass(frozen=True, slots=True)
class NewChunk:
    """A chunk to be written. `position` None: after the last chunk, or where it is when it exists already."""

    id: str
    text: str
    embedding: Embedding
    metadata: ChunkMetadata
    position: int | None = None


@dataclass(frozen=True, slots=True)
class PutDocument:
    """Create or replace a document; with `chunks`, replace all its chunks too (None keeps them)."""

    id: str
    metadata: DocumentMetadata
    chunks: tuple[NewChunk, ...] | None = None
    expected: Expectation = ANY_STATE


@dataclass(frozen=True, slots=True)
class DeleteDocument:
    """Remove a document and its chunks."""

    id: str
    expected: Expectation = ANY_STATE


@dataclass(frozen=True, slots=True)
class PutChunk:
    """Create or replace a chunk. A chunk id that lives in another document is a conflict.

    `create_document` makes a missing document (bulk import); otherwise a missing document is NotFound.
    """

    document_id: str
    chunk: NewChunk
    expected: Expectation = ANY_STATE
    create_document: bool = False


@dataclass(frozen=True, slots=True)
class DeleteChunk:
    """Remove a chunk; `document_id`, where given, must be its document."""

    id: str
    document_id: str | None = None
    expected: Expectation = ANY_STATE
    missing_ok: bool = False


@dataclass(frozen=True, slots=True)
class DeleteUnchanged:
    """Remove those of the chunks (id, version) that are still at that version: the write half of delete by filter."""

    chunks: tuple[tuple[str, int], ...]


Operation: TypeAlias = PutDocument | DeleteDocument | PutChunk | DeleteChunk | DeleteUnchanged


@dataclass(frozen=True, slots=True)
class WriteBatch:
    """Operations that happen together, in order, or not at all."""

    operations: tuple[Operation, ...]
    at: datetime
    idempotency: IdempotencyToken | None = None


@dataclass(frozen=True, slots=True)
class ConfigureLibrary:
    """Set a library's metadata, index specification and embedder."""

    metadata: LibraryMetadata
    index: IndexSpec
    embedder: EmbedderSpec | None
    at: datetime
    expected: Expectation = ANY_STATE


Command: TypeAlias = WriteBatch | ConfigureLibrary
"""What a library's log holds; each gets one position."""


@dataclass(frozen=True, slots=True)
class CreateLibrary:
    """Make a library. Goes to the catalogue, not to a library's log.

    `position` is where it begins: after the last position of an earlier library of the same id, so that no version, and
    no ETag, ever stands for two things.
    """

    id: str
    dimension: int
    metric: Metric
    index: IndexSpec
    embedder: EmbedderSpec | None
    metadata: LibraryMetadata
    at: datetime
    idempotency: IdempotencyToken | None = None
    position: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one operation did. `resource` is the state after it; `removed` counts chunks that went away."""

    created: bool
    resource: Document | Chunk | None
    removed: int = 0


@dataclass(frozen=True, slots=True)
class Receipt:
    """The answer to a committed command. `replayed` when an idempotency key brought back an earlier answer."""

    position: int
    library: Library
    outcomes: tuple[Outcome, ...] = ()
    replayed: bool = False
