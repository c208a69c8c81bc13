"""The state of indexes, numbers about libraries, and jobs on the wire."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field
from typing_extensions import TypedDict

from quiredb.api.schemas.base import InstantAnswer
from quiredb.domain.indexing import IndexState, Job, JobState, LibraryStats, RecallAudit, RecallEstimate
from quiredb.domain.times import format_instant

INDEX_EXAMPLE: dict[str, Any] = {"kind": "graph", "parameters": {"degree": 32}}


class SegmentAnswer(TypedDict):
    """One segment: rows in it, rows of it that died, bytes of its file."""

    name: str
    kind: str
    rows: int
    dead: int
    bytes: int


class IndexAnswer(TypedDict):
    """What serves searches now. `fresh_rows` are searched exactly until they are sealed into a segment."""

    kind: str
    parameters: Mapping[str, int]
    state: Annotated[str, Field(json_schema_extra={"enum": ["ready", "building"]})]
    progress: float
    segments: list[SegmentAnswer]
    fresh_rows: int
    reason: str


class RecallEstimateAnswer(TypedDict):
    """Mean recall of `queries` searches; `low` and `high` are the ends of its 95 % confidence interval."""

    queries: int
    recall: float
    low: float
    high: float


class AskedRecallAnswer(RecallEstimateAnswer):
    """The same of the searches that asked for one recall."""

    asked: float


class AuditAnswer(RecallEstimateAnswer):
    """What live searches found when they were repeated exactly, since the segments were last measured with them."""

    by_asked: list[AskedRecallAnswer]
    audited_at: InstantAnswer
    remeasured_at: InstantAnswer | None


class StatsAnswer(TypedDict):
    """Numbers about a library. `recall` (the last measurement) and `audit` are null until something was measured."""

    document_count: int
    chunk_count: int
    dead_chunk_count: int
    live_bytes: int
    dead_bytes: int
    disk_bytes: int
    memory_bytes: Mapping[str, int]
    segments: list[SegmentAnswer]
    index: IndexAnswer
    recall: float | None
    audit: AuditAnswer | None
    position: int


class JobAnswer(TypedDict):
    """Long work: `done` of `total` units, `eta` in seconds."""

    id: str
    kind: str
    library: str
    state: Annotated[str, Field(json_schema_extra={"enum": list(JobState)})]
    done: int
    total: int
    eta: float | None
    error: str | None
    created_at: InstantAnswer
    updated_at: InstantAnswer


class JobPage(TypedDict):
    """Jobs, the newest first."""

    items: list[JobAnswer]
    next_cursor: str | None


def index_answer(state: IndexState) -> IndexAnswer:
    """The state of an index as the answer shows it."""
    return {
        "kind": state.spec.kind.value,
        "parameters": dict(state.spec.parameters),
        "state": "building" if state.building else "ready",
        "progress": round(state.progress, 4),
        "segments": [
            {"name": one.name, "kind": one.kind, "rows": one.rows, "dead": one.dead, "bytes": one.bytes}
            for one in state.segments
        ],
        "fresh_rows": state.fresh_rows,
        "reason": state.reason,
    }


def stats_answer(stats: LibraryStats) -> StatsAnswer:
    """A library's numbers as the answer shows them."""
    index = index_answer(stats.index)
    return {
        "document_count": stats.document_count,
        "chunk_count": stats.chunk_count,
        "dead_chunk_count": stats.dead_chunk_count,
        "live_bytes": stats.live_bytes,
        "dead_bytes": stats.dead_bytes,
        "disk_bytes": stats.disk_bytes,
        "memory_bytes": dict(stats.memory_bytes),
        "segments": index["segments"],
        "index": index,
        "recall": stats.recall,
        "audit": audit_answer(stats.audit) if stats.audit else None,
        "position": stats.position,
    }


def audit_answer(audit: RecallAudit) -> AuditAnswer:
    """An audit as the answer shows it."""
    return {
        **_estimate_answer(audit.overall),
        "by_asked": [{"asked": asked, **_estimate_answer(estimate)} for asked, estimate in audit.by_asked],
        "audited_at": format_instant(audit.audited_at),
        "remeasured_at": format_instant(audit.remeasured_at) if audit.remeasured_at else None,
    }


def _estimate_answer(estimate: RecallEstimate) -> RecallEstimateAnswer:
    return {"queries": estimate.queries, "recall": estimate.recall, "low": estimate.low, "high": estimate.high}


def job_answer(job: Job) -> JobAnswer:
    """A job as the answer shows it."""
    return {
        "id": job.id,
        "kind": job.kind,
        "library": job.library_id,
        "state": job.state.value,
        "done": job.done,
        "total": job.total,
        "eta": None if job.eta_seconds is None else round(job.eta_seconds, 3),
        "error": job.error,
        "created_at": format_instant(job.created_at),
        "updated_at": format_instant(job.updated_at),
    }
