"""What operators ask: ready or not, which versions, how many libraries. Everything is worked out when it is asked."""

from collections.abc import Iterator, Sequence
from contextlib import suppress

from quiredb.domain.admission import MemoryBudget
from quiredb.domain.errors import Draining, NotFound, StorageFailed, Unavailable
from quiredb.domain.indexing import RecallAudit
from quiredb.domain.library import Library
from quiredb.domain.measures import Measures
from quiredb.domain.operating import (
    FREE_BYTES_MIN,
    Check,
    Condition,
    OperatingState,
    Severity,
    StartProgress,
    StoredBytes,
    WorkerState,
)
from quiredb.repositories.index_state import stored_bytes
from quiredb.repositories.libraries import LibraryRepository

_MEBIBYTE = 1024 * 1024
_NAMES_SHOWN = 20


class HealthService:
    """Use cases of operators and probes."""

    def __init__(self, repository: LibraryRepository, versions: dict[str, str]) -> None:
        self._repository = repository
        self._versions = versions
        self._start: StartProgress | None = None
        self._ending = False
        self._closed_to_new = False

    @property
    def memory(self) -> MemoryBudget:
        """What requests may take."""
        return self._repository.memory

    @property
    def measures(self) -> Measures:
        """What libraries counted."""
        return self._repository.measures

    def starting(self, progress: StartProgress | None) -> None:
        """Say what the start is busy with; None: it is over."""
        self._start = progress

    def start_progress(self) -> StartProgress | None:
        """What the start is busy with; None: it is over."""
        return self._start

    def ending(self) -> None:
        """The server is to end: not ready from now on, though requests are still answered."""
        self._ending = True

    def close_to_new(self) -> None:
        """Take no new requests; those under way are finished."""
        self._ending = self._closed_to_new = True

    def require_open(self) -> None:
        """Raise `Draining` once the server takes nothing new."""
        if self._closed_to_new:
            raise Draining("The server is ending. Ask another one, or again when it is back.")

    def is_ending(self) -> bool:
        """Whether clients should not come back on the same connection."""
        return self._ending

    def require_started(self) -> None:
        """Raise `Unavailable` while the server starts."""
        if self._start is not None:
            raise Unavailable(f"The server is starting: {self._start.step}. Try again shortly.")

    def condition(self) -> Condition:
        """Whether requests should come, with one line for each thing that must work."""
        checks = tuple(self._checks())
        return Condition(self._status(checks), checks)

    def workers(self) -> list[WorkerState]:
        """Every thread of background work, as it is."""
        states = [worker.state() for worker in self._repository.housekeeping.workers()]
        watching = self._repository.watchdog.is_watching()
        return [*states, WorkerState("quire-watch", watching, "running" if watching else "its thread is dead", {})]

    def version(self) -> dict[str, str]:
        """Versions of the program, the API, the data format and the kernels in use."""
        return dict(self._versions)

    def audits(self) -> dict[str, RecallAudit]:
        """What the audit found, by library, of those where it found anything; for metrics."""
        reports = ((library.id, library.auditor.report) for library in self._repository.all())
        return {library_id: report for library_id, report in reports if report is not None}

    def libraries(self) -> list[Library]:
        """Every open library, for metrics."""
        return [library.view().library for library in self._repository.all()]

    def stored(self) -> dict[str, StoredBytes]:
        """What each open library takes; for metrics. One that is closed meanwhile is left out."""
        found = {}
        for library in self._repository.all():
            with suppress(NotFound, Unavailable, StorageFailed):
                found[library.id] = stored_bytes(library, library.view())
        return found

    def state(self) -> OperatingState:
        """The process and its folder, for metrics."""
        return OperatingState(
            ready=self.condition().is_ready,
            libraries_unavailable=len(self._repository.damaged),
            writes=self._repository.writes.taken,
            disk_free=self._repository.folder.free_bytes(),
            memory_used=self.memory.used(),
            memory_reserved=self.memory.reserved,
            memory_limit=self.memory.limit,
        )

    def _status(self, checks: tuple[Check, ...]) -> str:
        if self._ending:
            return "draining"
        if self._start is not None:
            return "failed" if self._start.failed else "starting"
        failing = {check.severity for check in checks if not check.ok}
        if Severity.BLOCKING in failing:
            return "not-ready"
        return "degraded" if failing else "ready"

    def _checks(self) -> Iterator[Check]:
        start = self._start
        yield Check("start", start is None, "done" if start is None else start.step)
        yield Check("accepting", not self._ending, "the server is ending" if self._ending else "new requests are taken")
        yield self._storage()
        yield self._writes()
        yield self._background()
        yield self._disk()
        yield self._memory()

    def _storage(self) -> Check:
        damaged = sorted(self._repository.damaged)
        if not damaged:
            return Check("storage", True, "all libraries open", Severity.DEGRADING)
        detail = f"{len(damaged)} are damaged and not served: {_named(damaged)}"
        return Check("storage", False, detail, Severity.DEGRADING)

    def _writes(self) -> Check:
        read_only = ["the list of libraries" if name == "*" else name for name in sorted(self._repository.read_only)]
        detail = f"{len(read_only)} are read-only until a restart: {_named(read_only)}" if read_only else "accepted"
        return Check("writes", not read_only, detail, Severity.DEGRADING)

    def _background(self) -> Check:
        complaints = [f"{worker.name}: {worker.detail}" for worker in self.workers() if not worker.up]
        return Check("background", not complaints, "; ".join(complaints) or "running")

    def _disk(self) -> Check:
        try:
            free = self._repository.folder.free_bytes()
        except StorageFailed as error:
            return Check("disk", False, error.detail, Severity.DEGRADING)
        detail = f"{free // _MEBIBYTE:,} MiB free"
        return Check("disk", free >= FREE_BYTES_MIN, detail, Severity.DEGRADING)

    def _memory(self) -> Check:
        used, limit = self.memory.used() // _MEBIBYTE, self.memory.limit
        detail = f"{used:,} MiB" if limit is None else f"{used:,} of {limit // _MEBIBYTE:,} MiB"
        return Check("memory", not self.memory.is_exhausted(), detail, Severity.DEGRADING)


def _named(libraries: Sequence[str]) -> str:
    return ", ".join(libraries[:_NAMES_SHOWN]) + (", ..." if len(libraries) > _NAMES_SHOWN else "")
