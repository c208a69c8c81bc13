"""Prometheus metrics of one application."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from quiredb.domain.indexing import RecallAudit
from quiredb.domain.library import Library

_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
OTHER = "other"


class Metrics:
    """Counts requests and describes libraries when scraped."""

    def __init__(
        self,
        libraries: Callable[[], Sequence[Library]],
        audits: Callable[[], Mapping[str, RecallAudit]],
        build: Callable[[], Mapping[str, str]],
        libraries_max: int,
    ) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        labels = ("route", "method", "status")
        self._requests = Counter("quire_http_requests", "Requests answered.", labels, registry=self.registry)
        self._durations = Histogram(
            "quire_http_request_duration_seconds",
            "Time from the request's head to the end of the answer.",
            ("route", "method"),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._in_flight = Gauge(
            "quire_http_requests_in_flight", "Requests that are being answered.", registry=self.registry
        )
        self._known: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self.registry.register(_LibraryCollector(libraries, audits, build, libraries_max))
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


class _LibraryCollector(Collector):
    """Gauges that are read from the libraries when they are asked for. Many libraries: the rest is `other`."""

    def __init__(
        self,
        libraries: Callable[[], Sequence[Library]],
        audits: Callable[[], Mapping[str, RecallAudit]],
        build: Callable[[], Mapping[str, str]],
        libraries_max: int,
    ) -> None:
        self._libraries = libraries
        self._audits = audits
        self._build = build
        self._max = libraries_max

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The families, measured now."""
        build = dict(self._build())
        info = GaugeMetricFamily("quire_build_info", "Versions, as labels of a 1.", labels=list(build))
        info.add_metric(list(build.values()), 1)
        yield info
        libraries = self._libraries()
        yield GaugeMetricFamily("quire_libraries", "Libraries.", value=len(libraries))
        chunks = GaugeMetricFamily("quire_chunks", "Chunks of a library.", labels=["library"])
        positions = GaugeMetricFamily("quire_position", "Committed commands of a library.", labels=["library"])
        shown, rest = libraries[: self._max], libraries[self._max :]
        for library in shown:
            chunks.add_metric([library.id], library.chunk_count)
            positions.add_metric([library.id], library.position)
        if rest:
            chunks.add_metric([OTHER], sum(library.chunk_count for library in rest))
        yield chunks
        yield positions
        yield from self._recall(shown)

    def _recall(self, libraries: Sequence[Library]) -> Iterator[GaugeMetricFamily]:
        """What the audit found of live searches, for libraries where it found anything."""
        recall = GaugeMetricFamily(
            "quire_recall", "Mean recall of live searches repeated exactly; bounds: its 95 % confidence interval.",
            labels=["library", "bound"],
        )  # fmt: skip
        searches = GaugeMetricFamily("quire_recall_searches", "Live searches it is the mean of.", labels=["library"])
        times = GaugeMetricFamily(
            "quire_recall_audited_timestamp_seconds", "When the last one was repeated.", labels=["library"]
        )
        audits = self._audits()
        for library in libraries:
            if audit := audits.get(library.id):
                found = audit.overall
                for bound, value in (("low", found.low), ("mean", found.recall), ("high", found.high)):
                    recall.add_metric([library.id, bound], value)
                searches.add_metric([library.id], found.queries)
                times.add_metric([library.id], audit.audited_at.timestamp())
        yield recall
        yield searches
        yield times
