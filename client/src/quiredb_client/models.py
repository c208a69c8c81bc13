"""What the server answers, as frozen dataclasses. Unknown members of an answer are kept in `extra`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .inputs import ChunkMetadata, DocumentMetadata, LibraryMetadata

Item = TypeVar("Item")
Extra = Mapping[str, Any]

FINISHED_STATES = frozenset({"succeeded", "failed", "cancelled"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """A library: its settings, counts and position (how many commands it has taken)."""

    id: str
    dimension: int
    metric: str
    index: Mapping[str, Any] = field(default_factory=dict)
    embedder: Mapping[str, Any] | None = None
    metadata: LibraryMetadata
    document_count: int = 0
    chunk_count: int = 0
    position: int = 0
    version: int
    created_at: datetime
    updated_at: datetime
    extra: Extra = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A document without its chunks."""

    id: str
    metadata: DocumentMetadata
    chunk_count: int | None = None
    version: int | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    extra: Extra = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """A chunk; `embedding` is float32 of shape (dimension,) when it was asked for, else None."""

    id: str
    document_id: str
    position: int | None = None
    text: str | None = None
    embedding: NDArray[np.float32] | None = field(default=None, compare=False, repr=False)
    metadata: ChunkMetadata
    version: int | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    extra: Extra = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One found chunk. `score`: bigger is better; `distance`: smaller is better.

    `text`, `metadata`, `embedding` and `document` are None unless the search included them.
    """

    id: str
    document_id: str
    score: float
    distance: float
    position: int | None = None
    text: str | None = None
    metadata: ChunkMetadata | None = None
    embedding: NDArray[np.float32] | None = field(default=None, compare=False, repr=False)
    document: Document | None = None
    extra: Extra = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult:
    """The hits of one search, best first; iterate it, index it, take its length.

    `position` is the position of the library that was searched, `plan` how (with `explain=True`).
    """

    hits: tuple[Hit, ...]
    position: int | None = None
    took_ms: float | None = None
    plan: Mapping[str, Any] | None = None
    extra: Extra = field(default_factory=dict, repr=False)

    def __iter__(self) -> Iterator[Hit]:
        return iter(self.hits)

    def __len__(self) -> int:
        return len(self.hits)

    def __getitem__(self, rank: int) -> Hit:
        return self.hits[rank]

    @property
    def ids(self) -> list[str]:
        """Chunk ids, best first."""
        return [hit.id for hit in self.hits]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecallReport:
    """What `recall()` measured: the mean and lowest share of the exact top k that the index found.

    The times of both ways are in `extra`.
    """

    recall: float
    lowest: float | None = None
    k: int | None = None
    queries: int | None = None
    position: int | None = None
    extra: Extra = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteReport:
    """How many chunks a filter matched, and how many were deleted: none in a dry run."""

    matched: int
    deleted: int
    position: int | None = None
    extra: Extra = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchReport:
    """The outcome of an atomic batch: one entry per operation, in order."""

    results: tuple[Mapping[str, Any], ...] = ()
    position: int | None = None
    extra: Extra = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexState:
    """The index of a library: what it is, how far a build has come (`progress`, 0 to 1) and why."""

    kind: str
    state: str
    progress: float = 1.0
    parameters: Mapping[str, Any] = field(default_factory=dict)
    segments: tuple[Mapping[str, Any], ...] = ()
    reason: str | None = None
    extra: Extra = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """Numbers about a library; sizes in bytes. What this version does not name is in `extra`.

    `dead_chunk_count` and `dead_bytes` wait to be given back. `memory_bytes` is what searches hold in memory (`hot`),
    what may stay in files (`cold`), what waits to be indexed (`fresh`) and what was found lately (`found`). `audit` is
    what live searches found when they were repeated exactly: `recall`, `low`, `high`, `queries`, `by_asked`,
    `audited_at`, `remeasured_at`.
    """

    document_count: int | None = None
    chunk_count: int | None = None
    dead_chunk_count: int | None = None
    live_bytes: int | None = None
    dead_bytes: int | None = None
    disk_bytes: int | None = None
    memory_bytes: Mapping[str, int] = field(default_factory=dict)
    segments: Any = None
    index: Any = None
    recall: Any = None
    audit: Mapping[str, Any] | None = None
    position: int | None = None
    extra: Extra = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Long work on the server: `done` of `total`, `eta` in seconds."""

    id: str
    state: str
    kind: str | None = None
    library: str | None = None
    done: int | None = None
    total: int | None = None
    eta: float | None = None
    error: Any = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    extra: Extra = field(default_factory=dict, repr=False)

    @property
    def finished(self) -> bool:
        """Whether the state will not change any more."""
        return self.state in FINISHED_STATES


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """Whether the server can serve now; true or false in a condition.

    `checks` is the server's own report; `reason` says why it is not ready.
    """

    ready: bool
    checks: tuple[Mapping[str, Any], ...] = ()
    reason: str | None = None

    def __bool__(self) -> bool:
        return self.ready


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """One page of a list; `next_cursor` is None on the last."""

    items: tuple[Item, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedItem:
    """An item of a bulk write that was not written: its place in the source (from 0), itself, and why."""

    index: int
    item: Any
    code: str
    detail: str
    pointer: str = ""

    @property
    def line(self) -> int:
        """The line number, when the source is a file of lines."""
        return self.index + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What a bulk write did: items taken from the source, documents and chunks written, items not written."""

    items: int
    documents: int
    chunks: int
    bytes: int
    seconds: float
    failed: tuple[FailedItem, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every item was written."""
        return not self.failed


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a bulk write has come: acknowledged items and bytes; `total` if the source has a length."""

    items: int
    failed: int
    bytes: int
    seconds: float
    total: int | None = None
