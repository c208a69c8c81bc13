"""What is read from the running instance when metrics are asked for, as Prometheus' families."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from quiredb.domain.indexing import RecallAudit
from quiredb.domain.library import Library
from quiredb.domain.measures import Distribution, Distributions, Measures, Observed
from quiredb.domain.operating import OperatingState, StoredBytes, WorkerState
from quiredb.services.backup import BackupService
from quiredb.services.health import HealthService

OTHER = "other"


class InstanceCollector(Collector):
    """Asks the health service. Of many libraries the first are named, and the rest is `other`."""

    def __init__(self, health: HealthService, backup: BackupService, libraries_max: int) -> None:
        self._health = health
        self._backup = backup
        self._max = libraries_max

    def collect(self) -> Iterator[Metric]:
        """The families, measured now."""
        health = self._health
        yield build_family(health.version())
        yield from library_families(health.libraries(), health.audits(), self._max)
        yield from stored_families(health.stored(), self._max)
        yield from measured_families(health.measures)
        yield from worker_families(health.workers())
        yield from state_families(health.state())
        yield from backup_families(self._backup.last_success)


def build_family(versions: Mapping[str, str]) -> Metric:
    """Versions."""
    info = GaugeMetricFamily("quire_build_info", "Versions, as labels of a 1.", labels=list(versions))
    info.add_metric(list(versions.values()), 1)
    return info


def library_families(
    libraries: Sequence[Library], audits: Mapping[str, RecallAudit], libraries_max: int
) -> Iterator[Metric]:
    """Counts, and what the audit found."""
    yield GaugeMetricFamily("quire_libraries", "Libraries.", value=len(libraries))
    chunks = GaugeMetricFamily("quire_chunks", "Chunks of a library.", labels=["library"])
    positions = GaugeMetricFamily("quire_position", "Committed commands of a library.", labels=["library"])
    shown, rest = libraries[:libraries_max], libraries[libraries_max:]
    for library in shown:
        chunks.add_metric([library.id], library.chunk_count)
        positions.add_metric([library.id], library.position)
    if rest:
        chunks.add_metric([OTHER], sum(library.chunk_count for library in rest))
    yield chunks
    yield positions
    yield from _recall_families(shown, audits)


def _recall_families(libraries: Sequence[Library], audits: Mapping[str, RecallAudit]) -> Iterator[Metric]:
    recall = GaugeMetricFamily(
        "quire_recall", "Mean recall of live searches repeated exactly; bounds: its 95 % confidence interval.",
        labels=["library", "bound"],
    )  # fmt: skip
    searches = GaugeMetricFamily("quire_recall_searches", "Live searches it is the mean of.", labels=["library"])
    times = GaugeMetricFamily(
        "quire_recall_audited_timestamp_seconds", "When the last one was repeated.", labels=["library"]
    )
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


def stored_families(stored: Mapping[str, StoredBytes], libraries_max: int) -> Iterator[Metric]:
    """What libraries take on disk and in memory, and what no segment holds yet."""
    disk = GaugeMetricFamily("quire_store_bytes", "Bytes on disk: live, or dead and to be given back.", labels=["kind"])
    memory = GaugeMetricFamily(
        "quire_index_bytes",
        "Bytes of indexes: hot in memory, cold in files, fresh in no segment yet.",
        labels=["kind"],
    )
    fresh = GaugeMetricFamily("quire_fresh_rows", "Rows of a library that no segment holds yet.", labels=["library"])
    for kind in ("live", "dead"):
        disk.add_metric([kind], sum(getattr(one, kind) for one in stored.values()))
    for kind in ("hot", "cold", "fresh"):
        memory.add_metric([kind], sum(getattr(one, kind) for one in stored.values()))
    named = list(stored.items())
    for name, one in named[:libraries_max]:
        fresh.add_metric([name], one.fresh_rows)
    if len(named) > libraries_max:
        fresh.add_metric([OTHER], sum(one.fresh_rows for _, one in named[libraries_max:]))
    yield disk
    yield memory
    yield fresh


def measured_families(measures: Measures) -> Iterator[Metric]:
    """Times of searches, commits and builds."""
    yield _histograms(
        "quire_search_duration_seconds", "Time of searches in the index, batches as one.", "filter", measures.searches
    )
    yield _histogram("quire_commit_duration_seconds", "Time of commits, each with one flush.", measures.commits)
    yield _histogram("quire_commit_commands", "Commands that shared a commit.", measures.commit_sizes)
    yield _histograms("quire_index_build_duration_seconds", "Time of builds that succeeded.", "kind", measures.builds)


def worker_families(workers: Sequence[WorkerState]) -> Iterator[Metric]:
    """Threads of background work."""
    up = GaugeMetricFamily("quire_worker_up", "1 while a thread of background work gets on.", labels=["worker"])
    failures = CounterMetricFamily(
        "quire_worker_failures", "Failures of background work, by error code or `bug`.", labels=["worker", "reason"]
    )
    for worker in workers:
        up.add_metric([worker.name], worker.up)
        for reason, count in sorted(worker.failures.items()):
            failures.add_metric([worker.name, reason], count)
    yield up
    yield failures


def state_families(state: OperatingState) -> Iterator[Metric]:
    """The process and its folder."""
    yield GaugeMetricFamily("quire_ready", "1 while requests should come.", value=state.ready)
    yield GaugeMetricFamily(
        "quire_libraries_unavailable", "Libraries that cannot be opened.", value=state.libraries_unavailable
    )
    yield GaugeMetricFamily("quire_writes_waiting", "Writes that wait for a commit or are in one.", value=state.writes)
    yield GaugeMetricFamily("quire_disk_free_bytes", "Free bytes where the data folder is.", value=state.disk_free)
    yield GaugeMetricFamily(
        "quire_memory_used_bytes", "Memory of the process without pages of mapped files.", value=state.memory_used
    )
    yield GaugeMetricFamily(
        "quire_memory_reserved_bytes", "Memory that admitted work may still take.", value=state.memory_reserved
    )
    if state.memory_limit is not None:
        yield GaugeMetricFamily(
            "quire_memory_limit_bytes", "Memory beyond which work is refused.", value=state.memory_limit
        )


def backup_families(last_success: datetime | None) -> Iterator[Metric]:
    """The last backup that was handed over whole; nothing before there was one."""
    if last_success is not None:
        yield GaugeMetricFamily(
            "quire_backup_last_success_timestamp_seconds",
            "When the last backup of everything was begun that came to its end.",
            value=last_success.timestamp(),
        )


def _histogram(name: str, documentation: str, distribution: Distribution) -> Metric:
    observed = distribution.observed()
    return HistogramMetricFamily(name, documentation, _buckets(observed), observed.total)


def _histograms(name: str, documentation: str, label: str, distributions: Distributions) -> Metric:
    family = HistogramMetricFamily(name, documentation, labels=[label])
    for value, observed in distributions.items():
        family.add_metric([value], _buckets(observed), observed.total)
    return family


def _buckets(observed: Observed) -> list[tuple[str, float]]:
    return [("+Inf" if bound == float("inf") else str(bound), count) for bound, count in observed.at_most]
