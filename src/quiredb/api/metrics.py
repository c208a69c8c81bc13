"""Prometheus metrics of one application."""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from quiredb.api.metric_families import OTHER, InstanceCollector
from quiredb.domain.errors import DataDamaged, QuireError, StorageFailed
from quiredb.domain.measures import SECONDS
from quiredb.services.backup import BackupService
from quiredb.services.health import HealthService

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series beside each, which says when it was made
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})


class Metrics:
    """Counts requests, and describes the instance when scraped."""

    def __init__(self, health: HealthService, backup: BackupService, libraries_max: int) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        labels = ("route", "method", "status")
        self._requests = Counter("quire_http_requests", "Requests answered.", labels, registry=self.registry)
        self._durations = Histogram(
            "quire_http_request_duration_seconds",
            "Time from the request's head to the end of the answer.",
            ("route", "method"),
            buckets=SECONDS,
            registry=self.registry,
        )
        self._in_flight = Gauge(
            "quire_http_requests_in_flight", "Requests that are being answered.", registry=self.registry
        )
        self._known: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self._problems = Counter(
            "quire_http_problems", "Problem documents answered, by code.", ("code",), registry=self.registry
        )
        self._storage_errors = Counter(
            "quire_storage_errors", "Requests that failed by the disk, by code.", ("code",), registry=self.registry
        )
        self._checksum_failures = Counter(
            "quire_checksum_failures", "Requests that met stored bytes that are damaged.", registry=self.registry
        )
        self.registry.register(InstanceCollector(health, backup, libraries_max))
        ProcessCollector(registry=self.registry)

    def begin(self) -> None:
        """A request came in."""
        self._in_flight.inc()

    def end(self, route: str, method: str, status: int, seconds: float) -> None:
        """A request was answered."""
        requests, durations = self._known.get((route, method, status)) or self._of(route, method, status)
        self._in_flight.dec()
        requests.inc()
        durations.observe(seconds)

    def problem(self, error: QuireError) -> None:
        """A request was answered with a problem document."""
        self._problems.labels(error.code).inc()
        if isinstance(error, StorageFailed):
            self._storage_errors.labels(error.code).inc()
        if isinstance(error, DataDamaged):
            self._checksum_failures.inc()

    def _of(self, route: str, method: str, status: int) -> tuple[Counter, Histogram]:
        """The counter and the times of one kind of answers, looked up once. Unknown methods count as one."""
        known = method if method in _METHODS else OTHER
        found = self._requests.labels(route, known, str(status)), self._durations.labels(route, known)
        if known == method:
            self._known[route, method, status] = found
        return found

    def text(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self.registry)
