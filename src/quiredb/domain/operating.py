"""What a running server says of itself: its workers, its memory."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

FREE_BYTES_MIN = 256 * 1024 * 1024
"""On the disk of the data folder: a server that has less is degraded."""
FREE_BYTES_ADVISED = 4 * FREE_BYTES_MIN
"""What a server should have when it starts, so that it does not become degraded soon."""


@dataclass(frozen=True, slots=True)
class WorkerState:
    """A thread of background work. `failures` counts by error code, bugs as `bug`."""

    name: str
    up: bool
    detail: str
    failures: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class StoredBytes:
    """What a library takes: bytes on disk (live, dead), bytes in memory, and rows that no segment holds yet.

    Searches need the hot bytes of an index in memory; the cold ones may stay in files.
    """

    live: int
    dead: int
    hot: int
    cold: int
    fresh: int
    fresh_rows: int


@dataclass(frozen=True, slots=True)
class OperatingState:
    """The process and its folder, in bytes and counts."""

    ready: bool
    libraries_unavailable: int
    writes: int
    disk_free: int
    memory_used: int
    memory_reserved: int
    memory_limit: int | None


class Severity(StrEnum):
    """How bad it is when a check does not hold: nobody should ask now, or some answers are refused."""

    BLOCKING = "blocking"
    DEGRADING = "degrading"


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the readiness report."""

    name: str
    ok: bool
    detail: str
    severity: Severity = Severity.BLOCKING


@dataclass(frozen=True, slots=True)
class StartProgress:
    """How far the start is: a word for people, and steps done of all, where they can be counted."""

    step: str
    done: int = 0
    total: int = 0
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Condition:
    """Whether requests should come: one word made of the checks, the checks, and whether any is blocking.

    `status` is starting, failed, draining, not-ready, degraded or ready.
    """

    status: str
    checks: tuple[Check, ...]

    @property
    def is_ready(self) -> bool:
        """Whether no blocking check fails."""
        return all(check.ok or check.severity is Severity.DEGRADING for check in self.checks)
