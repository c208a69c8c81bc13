"""Every metric is documented, and moves when what it counts happens."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families

from quiredb.app import Instance
from quiredb.domain.admission import MemoryBudget
from quiredb.domain.errors import DataDamaged
from quiredb.local import ApplicationTransport
from quiredb.repositories.auditing import audit_next
from quiredb.settings import Settings
from tests.unit.repositories.libraries import wait_until

MEBIBYTE = 1024 * 1024
OTHERS = ("process_",)


class House:
    """A running instance with a library of four chunks, and what its metrics say."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.app: FastAPI = instance.api()
        self.client = httpx.Client(base_url="http://test", transport=ApplicationTransport(self.app, lambda: None))
        assert self.client.put("/v1/libraries/l", json={"dimension": 2}).status_code == 201
        self.write("first")

    def write(self, document: str) -> None:
        chunks = [{"text": "t", "embedding": [1, number]} for number in range(4)]
        response = self.client.put(f"/v1/libraries/l/documents/{document}", json={"chunks": chunks})
        assert response.is_success, response.text

    def search(self) -> None:
        response = self.client.post("/v1/libraries/l/search", json={"vector": [1, 2], "recall": 0.9})
        assert response.status_code == 200, response.text

    def metrics(self) -> dict[str, float]:
        """Each metric's sum over its samples, histograms by their counts."""
        sums: dict[str, float] = {}
        for family in text_string_to_metric_families(self.client.get("/metrics").text):
            name = f"{family.name}_total" if family.type == "counter" else family.name
            counted = [one for one in family.samples if not one.name.endswith(("_bucket", "_sum", "_created"))]
            sums[name] = sum(one.value for one in counted)
        return sums


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    settings = Settings(data=tmp_path_factory.mktemp("metrics") / "data", audit_share=1.0)
    instance = Instance(settings)
    instance.services.health.starting(None)
    opened = House(instance)
    yield opened
    opened.client.close()
    instance.close()


@contextmanager
def attribute(owner: object, name: str, value: object) -> Iterator[None]:
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


def damaged(house: House) -> AbstractContextManager[None]:
    """The library proves damaged while it is served."""
    store = house.instance.repository._libraries["l"].store
    return attribute(store._writer.health, "damage", DataDamaged("the library is damaged"))


def refuse(house: House) -> None:
    assert house.client.get("/v1/libraries/none").status_code == 404


def meet_damage(house: House) -> None:
    with damaged(house):
        assert house.client.get("/v1/libraries/l").status_code >= 500


def audit(house: House) -> None:
    house.search()
    audit_next(house.instance.repository.get("l"))


def rebuild(house: House) -> None:
    """Perform a rebuild as the worker would: background work is off here."""
    housekeeping = house.instance.repository.housekeeping
    job = housekeeping.rebuild(house.instance.repository.get("l"))
    for task in housekeeping._slow.waiting():
        housekeeping._perform(task)
    assert house.instance.repository.jobs.get(job.id).state == "succeeded"


def fail_work(house: House) -> None:
    worker = house.instance.repository.housekeeping.workers()[0]
    with attribute(worker, "_perform", lambda _: 1 // 0):
        worker._attempt(house.instance.repository.get("l"))


MOVES: dict[str, Callable[[House], None]] = {
    "quire_http_requests_total": House.search,
    "quire_http_request_duration_seconds": House.search,
    "quire_http_problems_total": refuse,
    "quire_storage_errors_total": meet_damage,
    "quire_checksum_failures_total": meet_damage,
    "quire_search_duration_seconds": House.search,
    "quire_commit_duration_seconds": lambda house: house.write("a"),
    "quire_commit_commands": lambda house: house.write("b"),
    "quire_index_build_duration_seconds": rebuild,
    "quire_worker_failures_total": fail_work,
    "quire_libraries": lambda house: make_library(house, "more"),
    "quire_chunks": lambda house: house.write("c"),
    "quire_position": lambda house: house.write("d"),
    "quire_fresh_rows": lambda house: house.write("e"),
    "quire_store_bytes": lambda house: make_library(house, "yet-more"),
    "quire_index_bytes": lambda house: house.write("f"),
    "quire_recall": audit,
    "quire_recall_searches": audit,
    "quire_recall_audited_timestamp_seconds": audit,
}
"""What has happened for good."""

STATES: dict[str, Callable[[House], object]] = {
    "quire_ready": lambda house: attribute(house.instance.services.health, "_ending", True),
    "quire_worker_up": lambda house: attribute(
        house.instance.repository.housekeeping.workers()[1], "_bugs", {object(): 3}
    ),
    "quire_libraries_unavailable": damaged,
    "quire_writes_waiting": lambda house: house.instance.repository.writes.one(),
    "quire_memory_used_bytes": lambda house: attribute(
        house.instance.repository, "memory", MemoryBudget(2**40, lambda: 2**39)
    ),
    "quire_memory_limit_bytes": lambda house: attribute(
        house.instance.repository, "memory", MemoryBudget(2**40, lambda: 0)
    ),
    "quire_backup_last_success_timestamp_seconds": lambda house: attribute(
        house.instance.services.backup._backups, "last_success", datetime(2026, 1, 1, tzinfo=UTC)
    ),
    "quire_memory_reserved_bytes": lambda house: house.instance.repository.memory.reserve(MEBIBYTE),
}
"""What is so for a while."""

NOT_CAUSED_HERE = {"quire_build_info", "quire_disk_free_bytes", "quire_http_requests_in_flight"}


def make_library(house: House, name: str) -> None:
    assert house.client.put(f"/v1/libraries/{name}", json={"dimension": 2}).status_code == 201


@pytest.mark.parametrize("metric", MOVES)
def test_it_moves_when_it_happens(house: House, metric: str) -> None:
    before = house.metrics().get(metric, 0.0)
    MOVES[metric](house)
    wait_until(lambda: house.metrics().get(metric, 0.0) > before, f"{metric} moves")


@pytest.mark.parametrize("metric", STATES)
def test_it_shows_the_state_while_it_lasts(house: House, metric: str) -> None:
    before = house.metrics().get(metric, 0.0)
    with STATES[metric](house):  # type: ignore[attr-defined]
        assert house.metrics()[metric] != before
    assert house.metrics().get(metric, 0.0) == pytest.approx(before, rel=0.5)


def test_every_metric_is_documented_and_tried(house: House, repository: Path) -> None:
    audit(house)
    rebuild(house)
    fail_work(house)
    list(house.instance.services.backup.stream(frozenset()))
    published = {name for name in house.metrics() if not name.startswith(OTHERS)}
    guide = (repository / "docs" / "operations.md").read_text()
    documented = set(re.findall(r"^\| `(quire_\w+)` \|", guide, re.MULTILINE))
    assert published == documented
    assert published == {*MOVES, *STATES, *NOT_CAUSED_HERE}
    assert house.metrics()["quire_disk_free_bytes"] > 0


def test_alerts_name_what_is_published_and_look_at_what_may_be_missing(repository: Path) -> None:
    guide = (repository / "docs" / "operations.md").read_text()
    rows = re.findall(r"^\| `(quire_\w+)` \|(.*)\|$", guide, re.MULTILINE)
    alerts = re.findall(r"expr: (.*)", (repository / "deploy" / "prometheus-alerts.yaml").read_text())
    named = {re.sub(r"_(bucket|sum|count)$", "", name) for expr in alerts for name in re.findall(r"quire_\w+", expr)}
    assert named <= {name for name, _ in rows}
    for name, says in rows:
        if "missing until" in says:
            assert any(re.search(rf"unless .*{name}", expr) for expr in alerts), name
