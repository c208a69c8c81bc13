"""Documents and chunks as they arrive: checked for form, not yet embedded, perhaps without ids."""

from dataclasses import dataclass
from typing import TypeAlias

from quiredb.domain.chunk import Embedding
from quiredb.domain.commands import ANY_STATE, Expectation
from quiredb.domain.errors import Violation
from quiredb.domain.library import EmbedderSpec, IndexSpec
from quiredb.domain.metadata import ChunkMetadata, DocumentMetadata, LibraryMetadata
from quiredb.domain.metric import Metric


@dataclass(frozen=True, slots=True)
class EmbedderChoice:
    """The provider and model that a library shall use, picked among those that the server allows."""

    provider: str
    model: str
    dimension: int | None = None
    document_input_type: str | None = None
    query_input_type: str | None = None


@dataclass(frozen=True, slots=True)
class LibraryDraft:
    """A library to be made. `dimension` None: the embedder's."""

    id: str | None
    dimension: int | None
    metric: Metric
    index: IndexSpec
    embedder: EmbedderChoice | None
    metadata: LibraryMetadata


@dataclass(frozen=True, slots=True)
class LibrarySettings:
    """What of a library can be changed after it was made."""

    metadata: LibraryMetadata
    index: IndexSpec
    embedder: EmbedderSpec | EmbedderChoice | None


@dataclass(frozen=True, slots=True)
class ChunkDraft:
    """A chunk to be written. `id` None: made here. `embedding` None: made by the library's embedder."""

    id: str | None
    text: str
    embedding: Embedding | None
    metadata: ChunkMetadata
    position: int | None = None


@dataclass(frozen=True, slots=True)
class DocumentDraft:
    """A document to be written. `chunks` None keeps the chunks that it has."""

    id: str | None
    metadata: DocumentMetadata
    chunks: tuple[ChunkDraft, ...] | None = None


@dataclass(frozen=True, slots=True)
class PutChunkDraft:
    """One `put` of a batch: a chunk for a document."""

    document_id: str
    chunk: ChunkDraft
    expected: Expectation = ANY_STATE


@dataclass(frozen=True, slots=True)
class DeleteChunkDraft:
    """One `delete` of a batch; deleting what is not there is no error."""

    id: str
    expected: Expectation = ANY_STATE


BatchDraft: TypeAlias = PutChunkDraft | DeleteChunkDraft


@dataclass(frozen=True, slots=True)
class ImportItem:
    """One line of an import: a document with chunks, a chunk with its document's id, or what is wrong with the line.

    `size` is its length in bytes; `digest` tells it apart from every other line.
    """

    line: int
    content: DocumentDraft | PutChunkDraft | Violation
    size: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class ImportFault:
    """A line that was not imported and why."""

    line: int
    violation: Violation


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did. `aborted` when it stopped at the first error; what was committed before stays."""

    documents: int
    chunks: int
    failed: int
    errors: tuple[ImportFault, ...]
    position: int
    aborted: bool
