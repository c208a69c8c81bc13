"""What spans several calls: lists, positions, jobs, settings, threads."""

from __future__ import annotations

import asyncio
import threading

import httpx
import numpy as np
import pytest
from quiredb_client import Client, F, JobFailed, Timeout, UnexpectedAnswer

LIBRARY = {
    "id": "papers",
    "dimension": 3,
    "metric": "cosine",
    "index": {"kind": "auto"},
    "embedder": None,
    "metadata": {"title": "Papers"},
    "document_count": 1,
    "chunk_count": 2,
    "position": 5,
    "version": 4,
    "created_at": "2026-01-01T00:00:00Z",
    "updated_at": "2026-01-02T00:00:00.5Z",
}
CHUNK = {"id": "c", "document_id": "d", "position": 0, "text": "t", "metadata": {"page": 3}, "version": 9}
PAPERS = "/v1/libraries/papers"
VECTOR = np.array([1, 0.5, -2], dtype=np.float32)


def pages_of(count: int, size: int):
    def answer(request: httpx.Request) -> httpx.Response:
        start = int(request.url.params.get("cursor", 0))
        stop = min(count, start + int(request.url.params.get("limit", size)))
        items = [{**CHUNK, "id": f"c{number}"} for number in range(start, stop)]
        return httpx.Response(200, json={"items": items, "next_cursor": str(stop) if stop < count else None})

    return answer


def test_lists_fetch_page_after_page_and_only_when_asked(server, client) -> None:
    server.route("POST", f"{PAPERS}/chunks/scan", pages_of(10, 4))
    chunks = client.library("papers").scan(F.page == 3, include=["embedding"])
    assert server.requests == []
    iterator = iter(chunks)
    next(iterator)
    assert len(server.requests) == 1
    assert [chunk.id for chunk in chunks] == [f"c{number}" for number in range(10)]
    assert [len(page.items) for page in chunks.pages()] == [4, 4, 2]
    assert server.sent() == {
        "filter": {"page": {"eq": 3}},
        "include": ["embedding"],
        "vector_encoding": "b64",
    }


def test_a_limit_ends_a_list_without_fetching_more(server, client) -> None:
    server.route("GET", f"{PAPERS}/documents/d/chunks", pages_of(10, 4))
    chunks = client.library("papers").document("d").chunks.list(limit=5, page_size=3)
    assert [chunk.id for chunk in chunks.to_list()] == ["c0", "c1", "c2", "c3", "c4"]
    assert len(server.requests) == 2
    assert server.requests[0].url.params["limit"] == "3"


def test_a_cursor_that_does_not_move_is_an_error_not_a_loop(server, client) -> None:
    server.route("GET", "/v1/jobs", {"items": [], "next_cursor": "again"})
    with pytest.raises(UnexpectedAnswer, match="same page"):
        client.jobs.list().to_list()


def test_reads_ask_for_what_was_written(server, client) -> None:
    server.route("PUT", f"{PAPERS}/documents/d", {"id": "d"}, **{"x-quire-position": "41"})
    server.route("GET", f"{PAPERS}/documents/d", {"id": "d"}, **{"x-quire-position": "40"})
    server.route("GET", "/v1/libraries/other/documents/d", {"id": "d"})
    library = client.library("papers")
    library.documents.get("d")
    assert "x-quire-min-position" not in server.requests[-1].headers
    library.documents.put("d")
    for _ in range(2):
        library.documents.get("d")
        assert server.requests[-1].headers["x-quire-min-position"] == "41"
    client.library("other").documents.get("d")
    assert "x-quire-min-position" not in server.requests[-1].headers


def test_a_library_made_anew_starts_its_positions_anew(server, client) -> None:
    server.route("PUT", f"{PAPERS}/documents/d", {"id": "d"}, **{"x-quire-position": "41"})
    server.route("DELETE", PAPERS, None, status=204)
    server.route("PUT", PAPERS, {**LIBRARY, "position": 1}, status=201)
    server.route("GET", PAPERS, LIBRARY)
    client.library("papers").documents.put("d")
    client.libraries.delete("papers")
    client.libraries.get("papers")
    assert "x-quire-min-position" not in server.requests[-1].headers
    client.library("papers").documents.put("d")
    client.libraries.create("papers", dimension=3)
    client.libraries.get("papers")
    assert server.requests[-1].headers["x-quire-min-position"] == "1"


def test_reading_your_writes_can_be_switched_off(server) -> None:
    server.route("PUT", f"{PAPERS}/documents/d", {"id": "d"}, **{"x-quire-position": "41"})
    server.route("GET", f"{PAPERS}/documents/d", {"id": "d"})
    with Client(transport=httpx.MockTransport(server.handle), read_your_writes=False) as client:
        client.library("papers").documents.put("d")
        client.library("papers").documents.get("d")
    assert "x-quire-min-position" not in server.requests[-1].headers


def test_a_job_is_waited_for_until_it_ends(server, client) -> None:
    states = iter(["queued", "running", "succeeded"])
    server.route("GET", "/v1/jobs/j", lambda request: httpx.Response(200, json={"id": "j", "state": next(states)}))
    assert client.jobs.wait("j").state == "succeeded"
    server.route("GET", "/v1/jobs/j", {"id": "j", "state": "failed", "error": "disk full"})
    with pytest.raises(JobFailed, match="disk full"):
        client.jobs.wait("j")
    server.route("GET", "/v1/jobs/j", {"id": "j", "state": "running"})
    with pytest.raises(Timeout, match="still runs"):
        client.jobs.wait("j", timeout=0)


def test_readiness_is_an_answer_even_when_nobody_answers(server, client, make_problem) -> None:
    server.route("GET", "/readyz", {"checks": [{"name": "kernels"}]})
    assert client.ready()
    check = {"name": "kernels", "ok": False, "detail": "compiling"}
    server.script(httpx.Response(503, json={"status": "starting", "checks": [check]}))
    assert not (readiness := client.ready())
    assert (readiness.checks[0]["name"], readiness.reason) == ("kernels", "kernels: compiling")
    server.script(httpx.ConnectError("refused"))
    assert "refused" in (client.ready().reason or "")
    assert len(server.requests) == 3


def test_settings_come_from_arguments_then_the_environment_then_defaults(server, monkeypatch) -> None:
    server.route("GET", "/v1/limits", {})
    server.route("GET", "/quire/v1/limits", {})
    transport = httpx.MockTransport(server.handle)
    Client(transport=transport).limits()
    monkeypatch.setenv("QUIRE_URL", "https://db.example/quire/")
    monkeypatch.setenv("QUIRE_API_KEY", "k1")
    Client(transport=transport).limits()
    Client("http://other", "k2", transport=transport, headers={"X-Team": "blue"}).limits()
    assert [str(request.url) for request in server.requests] == [
        "http://127.0.0.1:7333/v1/limits",
        "https://db.example/quire/v1/limits",
        "http://other/v1/limits",
    ]
    assert [request.headers.get("authorization") for request in server.requests] == [None, "Bearer k1", "Bearer k2"]
    assert server.requests[-1].headers["x-team"] == "blue"
    with pytest.raises(ValueError, match="http://"):
        Client("localhost:7333")


def test_threads_may_share_a_client(server, client) -> None:
    server.route("PUT", f"{PAPERS}/documents/d", {"id": "d"}, **{"x-quire-position": "5"})
    threads = [
        threading.Thread(target=lambda: [client.library("papers").documents.put("d") for _ in range(20)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(server.requests) == 80


def test_the_asynchronous_client_does_the_same(server, async_client) -> None:
    server.route("POST", f"{PAPERS}/search", {"hits": []})
    server.route("POST", f"{PAPERS}/chunks/scan", pages_of(10, 4))
    server.route("GET", "/v1/jobs/j", {"id": "j", "state": "succeeded"})

    async def use() -> list[str]:
        async with async_client() as client:
            library = client.library("papers")
            assert len(await library.search(vector=VECTOR)) == 0
            assert (await client.jobs.wait("j")).finished
            assert len(await library.scan(limit=5).to_list()) == 5
            return [chunk.id async for chunk in library.scan()]

    assert asyncio.run(use()) == [f"c{number}" for number in range(10)]
