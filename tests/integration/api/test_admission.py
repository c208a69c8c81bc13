"""What a server in need refuses, and what it still does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from fastapi import FastAPI

from quiredb.api.bodies import decoded_bytes
from quiredb.api.door import Door
from quiredb.app import Instance
from quiredb.domain.admission import MemoryBudget
from quiredb.domain.rights import NOBODY
from quiredb.local import ApplicationTransport
from tests.integration.api.conftest import problem_of

MEBIBYTE = 1024 * 1024


@contextmanager
def limited(instance: Instance, limit: int, used: int) -> Iterator[MemoryBudget]:
    """The instance with another budget, of which some is used."""
    before = instance.repository.memory
    instance.repository.memory = MemoryBudget(limit, lambda: used)
    try:
        yield instance.repository.memory
    finally:
        instance.repository.memory = before


def test_without_memory_only_probes_metrics_and_removing_are_answered(
    client: httpx.Client, instance: Instance, guide: str
) -> None:
    with limited(instance, 100 * MEBIBYTE, 101 * MEBIBYTE) as memory:
        for response in (
            client.get(guide),
            client.post(f"{guide}/search", json={"vector": [1, 2, 3]}),
            client.put(f"{guide}/documents/more", json={}),
        ):
            problem = problem_of(response, 503, "overloaded")
            assert problem["retryable"] is True
            assert response.headers["retry-after"]
        assert client.get("/livez").status_code == client.get("/metrics").status_code == 200
        ready = client.get("/readyz")
        assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
        assert {"name": "memory", "ok": False, "detail": "101 of 100 MiB"} in ready.json()["checks"]
        assert client.delete(f"{guide}/documents/guide/chunks/g0").status_code == 204
        assert memory.reserved == 0
    assert client.get(guide).status_code == 200


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_is_refused_when_decoding_it_would_take_too_much(
    client: httpx.Client, instance: Instance, guide: str, announced: bool
) -> None:
    hostile = b'{"operations":[' + b",".join([b'{"a":0}'] * 40_000) + b"]}"
    assert 5 * MEBIBYTE < decoded_bytes(hostile) < 100 * MEBIBYTE
    content = hostile if announced else iter([hostile[: MEBIBYTE // 8], hostile[MEBIBYTE // 8 :]])
    with limited(instance, 110 * MEBIBYTE, 100 * MEBIBYTE) as memory:
        response = client.post(f"{guide}/chunks/batch", content=content, headers={"content-type": "application/json"})
        problem_of(response, 503, "overloaded")
        assert "MiB of memory" in response.json()["detail"]
        assert memory.reserved == 0


def test_an_import_is_refused_without_memory_for_its_buffers_or_a_long_line(
    client: httpx.Client, instance: Instance, guide: str
) -> None:
    headers = {"content-type": "application/x-ndjson"}
    short = b'{"id":"short","document_id":"guide","text":"s","embedding":[1,2,3]}\n'
    long = b'{"id":"x","metadata":{"attributes":{' + b",".join(b'"a%d":{}' % n for n in range(60_000)) + b"}}}\n"
    with limited(instance, 110 * MEBIBYTE, 100 * MEBIBYTE):
        problem_of(client.post(f"{guide}/import", content=short, headers=headers), 503, "overloaded")
    with limited(instance, 150 * MEBIBYTE, 100 * MEBIBYTE) as memory:
        assert client.post(f"{guide}/import", content=short, headers=headers).json()["chunks"] == 1
        problem_of(client.post(f"{guide}/import", content=short + long, headers=headers), 503, "overloaded")
        assert memory.reserved == 0


def test_memory_that_runs_out_in_the_middle_is_503(instance: Instance) -> None:
    app = instance.api()

    def fails() -> None:
        raise MemoryError

    app.add_api_route("/runs-out", fails)
    with httpx.Client(base_url="http://test", transport=ApplicationTransport(app, lambda: None)) as opened:
        problem_of(opened.get("/runs-out"), 503, "overloaded")


def test_a_server_that_ends_says_so(instance: Instance) -> None:
    app = instance.api()
    health = app.state.services.health
    with httpx.Client(base_url="http://test", transport=ApplicationTransport(app, lambda: None)) as opened:
        try:
            health.ending()
            ready = opened.get("/readyz")
            assert (ready.status_code, ready.json()["status"]) == (503, "draining")
            served = opened.get("/v1/libraries")
            assert (served.status_code, served.headers["connection"]) == (200, "close")
            health.close_to_new()
            refused = opened.get("/v1/libraries")
            problem_of(refused, 503, "draining")
            assert refused.headers["connection"] == "close"
            assert opened.get("/livez").status_code == 200
        finally:
            health._ending = health._closed_to_new = False


def test_strangers_are_told_one_word(instance: Instance) -> None:
    app: FastAPI = instance.api(door=Door(lambda _: NOBODY))
    with httpx.Client(base_url="http://test", transport=ApplicationTransport(app, lambda: None)) as opened:
        assert opened.get("/readyz").json() == {"status": "ready", "checks": []}
        assert opened.get("/startupz").json() == {"status": "started", "step": "", "done": 0, "total": 0}
