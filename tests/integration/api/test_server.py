"""Probes, versions, metrics, limits, request ids, log lines, and bugs."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import Iterator
from pathlib import Path

import httpx
import orjson
import pytest
from fastapi import FastAPI

from quiredb.api.metric_families import library_families, stored_families
from quiredb.api.settings import ApiSettings
from quiredb.app import Instance, build
from quiredb.domain import limits
from quiredb.domain.errors import StorageFull
from quiredb.domain.operating import StartProgress, StoredBytes
from quiredb.local import ApplicationTransport
from quiredb.repositories.auditing import audit_next
from quiredb.repositories.keys import KeyRing
from quiredb.settings import Settings
from quiredb.storage.folder import DataFolder
from tests.integration.api.conftest import BODY_BYTES_MAX, problem_of


def test_alive_ready_version(client: httpx.Client) -> None:
    assert client.get("/livez").json() == {"status": "alive"}
    ready = client.get("/readyz").json()
    assert ready["status"] == "ready"
    assert all(check["ok"] for check in ready["checks"])
    assert client.get("/startupz").json()["status"] == "started"
    version = client.get("/version").json()
    assert (version["api"], set(version)) == ("1", {"version", "api", "format", "kernels"})


def test_while_starting_only_probes_answer(client: httpx.Client, instance: Instance, guide: str) -> None:
    instance.services.health.starting(StartProgress("kernels 3/9", 3, 9))
    try:
        assert client.get("/livez").status_code == 200
        ready = client.get("/readyz")
        assert (ready.status_code, ready.json()["status"]) == (503, "starting")
        started = client.get("/startupz")
        assert started.status_code == 503
        assert started.json() == {"status": "starting", "step": "kernels 3/9", "done": 3, "total": 9}
        for response in (client.get(guide), client.post(f"{guide}/search", json={"vector": [1, 2, 3]})):
            assert problem_of(response, 503, "unavailable")["retryable"] is True
            assert response.headers["retry-after"]
        assert [client.head(path).status_code for path in ("/livez", "/readyz", "/startupz")] == [200, 503, 503]
    finally:
        instance.services.health.starting(None)


def test_every_limit_is_published(client: httpx.Client) -> None:
    published = client.get("/v1/limits").json()
    for name, value in vars(limits).items():
        if name.isupper():
            assert published[name.lower()] == value
    assert published["body_bytes_max"] == BODY_BYTES_MAX


def test_the_default_of_a_setting_is_in_one_place() -> None:
    of_operators = {field.name for field in dataclasses.fields(Settings)}
    repeated = [field for field in dataclasses.fields(ApiSettings) if field.name in of_operators]
    assert all(field.default is dataclasses.MISSING for field in repeated)


def test_metrics_count_requests_by_route(client: httpx.Client, guide: str) -> None:
    client.get(f"{guide}/documents/guide")
    client.get("/nowhere")
    client.request("BREW", guide)
    client.head("/livez")
    text = client.get("/metrics").text
    route = "/v1/libraries/{library}/documents/{document}"
    assert f'quire_http_requests_total{{method="GET",route="{route}",status="200"}}' in text
    assert 'quire_http_requests_total{method="GET",route="unmatched",status="404"}' in text
    assert 'quire_http_requests_total{method="other",route="/v1/libraries/{library}",status="405"}' in text
    assert 'quire_http_requests_total{method="HEAD",route="/livez",status="200"}' in text
    assert f'quire_http_request_duration_seconds_count{{method="GET",route="{route}"}}' in text
    assert "quire_http_requests_in_flight 1.0" in text
    assert f'quire_chunks{{library="{guide.removeprefix("/v1/libraries/")}"}} 3.0' in text
    assert f'quire_position{{library="{guide.removeprefix("/v1/libraries/")}"}} 1.0' in text
    assert 'quire_build_info{api="1",' in text
    assert "quire_libraries " in text


def test_metrics_name_a_bounded_number_of_libraries(instance: Instance, guide: str) -> None:
    (library,) = [one for one in instance.services.health.libraries() if guide.endswith(f"/{one.id}")]
    many = [dataclasses.replace(library, id=f"m{number:03}") for number in range(105)]
    families = {family.name: family for family in library_families(many, {}, libraries_max=100)}
    chunks = {sample.labels["library"]: sample.value for sample in families["quire_chunks"].samples}
    assert (len(chunks), chunks["other"]) == (101, 15.0)
    (count,) = families["quire_libraries"].samples
    assert count.value == 105
    stored = dict.fromkeys((one.id for one in many), StoredBytes(1, 2, 3, 4, 5, fresh_rows=6))
    fresh = next(family for family in stored_families(stored, libraries_max=100) if family.name == "quire_fresh_rows")
    assert {(sample.labels["library"], sample.value) for sample in fresh.samples} >= {("other", 30.0), ("m000", 6.0)}
    assert len(fresh.samples) == 101


def test_the_audit_of_recall_is_published(client: httpx.Client, instance: Instance, guide: str) -> None:
    name = guide.removeprefix("/v1/libraries/")
    assert client.get(f"{guide}/stats").json()["audit"] is None
    assert f'quire_recall_searches{{library="{name}"}}' not in client.get("/metrics").text
    assert client.post(f"{guide}/search", json={"vector": [1, 2, 0], "k": 3, "recall": 0.9}).status_code == 200
    audit_next(instance.repository.get(name))
    stats = client.get(f"{guide}/stats").json()
    audit = stats["audit"]
    assert (audit["queries"], audit["recall"], audit["high"], audit["remeasured_at"]) == (1, 1.0, 1.0, None)
    assert audit["by_asked"] == [{"asked": 0.9, "queries": 1, "recall": 1.0, "low": audit["low"], "high": 1.0}]
    assert 0 < audit["low"] < 1
    assert stats["recall"] == 1.0
    text = client.get("/metrics").text
    assert f'quire_recall_searches{{library="{name}"}} 1.0' in text
    assert f'quire_recall{{bound="mean",library="{name}"}} 1.0' in text
    assert f'quire_recall{{bound="low",library="{name}"}} {audit["low"]}' in text
    assert f'quire_recall_audited_timestamp_seconds{{library="{name}"}}' in text


def test_the_callers_request_id_is_kept_when_it_is_safe(client: httpx.Client) -> None:
    for identifier in ("abcdefgh", "A.b-c_9" * 9):
        assert client.get("/livez", headers={"x-request-id": identifier}).headers["x-request-id"] == identifier
    for identifier in ("short", "x" * 65, "with space here", "semi;colon", 'quo"te12'):
        made = client.get("/livez", headers={"x-request-id": identifier}).headers["x-request-id"]
        assert made not in {identifier, ""}
    assert client.get("/livez").headers["x-request-id"] != client.get("/livez").headers["x-request-id"]


def test_one_log_line_for_each_request(client: httpx.Client, guide: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "quiredb.access"):
        response = client.get(f"{guide}/chunks/a%0Ab", headers={"x-request-id": "my-request"})
    (record,) = [record for record in caplog.records if record.name == "quiredb.access"]
    line = orjson.loads(record.getMessage())
    assert "\n" not in record.getMessage()
    assert (line["request_id"], line["status"], line["method"]) == ("my-request", 404, "GET")
    assert line["route"] == "/v1/libraries/{library}/chunks/{chunk}"
    assert response.json()["request_id"] == "my-request"


@pytest.fixture
def broken(instance: Instance) -> Iterator[httpx.Client]:
    """A client of an application with a bug in two places."""
    app: FastAPI = instance.api()

    def fails() -> None:
        raise ZeroDivisionError("secret detail")

    app.add_api_route("/bug", fails)
    with httpx.Client(base_url="http://test", transport=ApplicationTransport(app, lambda: None)) as opened:
        yield opened


def test_a_bug_is_a_500_that_tells_only_the_request_id(broken: httpx.Client, caplog: pytest.LogCaptureFixture) -> None:
    response = broken.get("/bug", headers={"x-request-id": "find-me-in-the-log"})
    problem = problem_of(response, 500, "internal")
    assert "secret detail" not in response.text
    assert problem["request_id"] == response.headers["x-request-id"] == "find-me-in-the-log"
    (record,) = [record for record in caplog.records if record.exc_info]
    assert "find-me-in-the-log" in record.getMessage()
    assert 'route="/bug",status="500"' in broken.get("/metrics").text


def test_the_folder_is_released_although_the_last_uses_of_keys_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: KeyRing) -> None:
        raise StorageFull("No space is left.")

    async def serve_and_end() -> None:
        async with app.router.lifespan_context(app):
            pass

    monkeypatch.setattr(KeyRing, "record_uses", fails)
    app = build(Settings(data=tmp_path / "data"))
    with pytest.raises(StorageFull):
        asyncio.run(serve_and_end())
    DataFolder.open(tmp_path / "data").close()
