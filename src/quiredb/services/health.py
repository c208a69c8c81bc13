"""What operators ask: ready or not, which versions, how many libraries."""

from quiredb.domain.errors import Unavailable
from quiredb.domain.indexing import RecallAudit
from quiredb.domain.library import Library
from quiredb.domain.reading import Check
from quiredb.repositories.libraries import LibraryRepository


class HealthService:
    """Use cases of operators and probes."""

    def __init__(self, repository: LibraryRepository, versions: dict[str, str]) -> None:
        self._repository = repository
        self._versions = versions
        self._starting: str | None = None

    def starting(self, step: str | None) -> None:
        """Say what the start is busy with; None: it is over."""
        self._starting = step

    def require_started(self) -> None:
        """Raise `Unavailable` while the server starts."""
        if self._starting is not None:
            raise Unavailable(f"The server is starting: {self._starting}. Try again shortly.")

    def ready(self) -> list[Check]:
        """One line for each thing that must work."""
        starting = self._starting
        damaged = sorted(self._repository.damaged)
        failures = self._repository.housekeeping.failures()
        return [
            Check("start", starting is None, starting or "done"),
            Check(
                "storage", not damaged, f"cannot be opened: {', '.join(damaged)}" if damaged else "all libraries open"
            ),
            Check("background", not failures, "failed: see the log" if failures else "running"),
        ]

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
