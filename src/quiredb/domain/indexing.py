"""The state of a library's index, of its storage, and of long work."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from quiredb.domain.library import IndexSpec


@dataclass(frozen=True, slots=True)
class SegmentState:
    """One segment: its algorithm, rows in it, rows of it that died, bytes of its file."""

    name: str
    kind: str
    rows: int
    dead: int
    bytes: int


@dataclass(frozen=True, slots=True)
class IndexState:
    """What serves searches now. `progress` is 1 when nothing is being built; `reason` says why this index."""

    spec: IndexSpec
    building: bool
    progress: float
    segments: tuple[SegmentState, ...]
    fresh_rows: int
    reason: str


@dataclass(frozen=True, slots=True)
class RecallEstimate:
    """Mean recall of some searches, and the ends of its 95 % confidence interval."""

    queries: int
    recall: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class RecallAudit:
    """What live searches found when they were repeated exactly.

    by_asked: (recall asked for, estimate) of the same searches, ascending. remeasured_at: when a promise was found
    broken and the segments were measured again with recorded queries; the estimates begin anew then.
    """

    overall: RecallEstimate
    by_asked: tuple[tuple[float, RecallEstimate], ...]
    audited_at: datetime
    remeasured_at: datetime | None


@dataclass(frozen=True, slots=True)
class LibraryStats:
    """Counts and bytes of one library at one position. `recall` and `audit` are None until something was measured."""

    document_count: int
    chunk_count: int
    dead_chunk_count: int
    live_bytes: int
    dead_bytes: int
    disk_bytes: int
    memory_bytes: Mapping[str, int]
    index: IndexState
    recall: float | None
    audit: RecallAudit | None
    position: int


class JobState(StrEnum):
    """Where long work stands."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Job:
    """Long work at one moment: `done` of `total` units; `eta_seconds` None while it cannot be told."""

    id: str
    kind: str
    library_id: str
    state: JobState
    done: int
    total: int
    eta_seconds: float | None
    error: str | None
    created_at: datetime
    updated_at: datetime
