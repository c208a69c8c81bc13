"""How the SDK gets things there: bulk, pages, repeats, positions, and the client that is awaited."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from quiredb_client import AsyncClient, BulkFailed, Client, F, RetryPolicy, Unavailable, ValidationFailed

from tests.e2e.server import Server

DIMENSION = 8


def chunks(count: int) -> Iterator[dict[str, Any]]:
    rows = np.random.default_rng(1).standard_normal((count, DIMENSION)).astype(np.float32)
    for number, row in enumerate(rows):
        yield {"id": f"c{number:05}", "document_id": f"d{number % 7}", "text": f"t{number}", "embedding": row}


class LosesAnswers(httpx.HTTPTransport):
    """A network that carries every request and loses the first answer to each POST; it remembers all requests."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[httpx.Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        key = request.headers.get("idempotency-key")
        repeated = key in [one.headers.get("idempotency-key") for one in self.seen]
        self.seen.append(request)
        response = super().handle_request(request)
        if request.method == "POST" and key and not repeated:
            response.read()
            response.close()
            raise httpx.ReadError("the connection broke", request=request)
        return response


def test_a_repeated_post_is_done_once(server: Server, client: Client, name: str) -> None:
    client.libraries.create(name, dimension=2)
    network = LosesAnswers()
    with Client(server.url, transport=network, retries=RetryPolicy(retries=2, first_delay=0.01)) as unlucky:
        library = unlucky.library(name)
        made = library.documents.create(metadata={"title": "once"})
        chunk = library.document(made.id).chunks.create(text="t", embedding=[1, 0])
        other = unlucky.libraries.create(dimension=2)
        assert library.delete_where(F.text == "nothing").deleted == 0

    posts = [request.headers["idempotency-key"] for request in network.seen if request.method == "POST"]
    assert len(posts) == 8
    assert len(set(posts)) == 4
    assert [document.id for document in client.library(name).documents.list()] == [made.id]
    assert [one.id for one in client.library(name).document(made.id).chunks.list()] == [chunk.id]
    assert client.libraries.get(other.id).dimension == 2


def test_the_same_key_answers_the_same_id_and_refuses_another_body(server: Server, client: Client, name: str) -> None:
    client.libraries.create(name, dimension=2)
    url = f"{server.url}/v1/libraries/{name}/documents"
    headers = {"idempotency-key": "once-only", "content-type": "application/json"}

    answers = [httpx.post(url, content=b'{"metadata": {"title": "A"}}', headers=headers) for _ in range(3)]
    other = httpx.post(url, content=b'{"metadata": {"title": "B"}}', headers=headers)

    assert [answer.status_code for answer in answers] == [201, 201, 201]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")
    assert client.libraries.get(name).document_count == 1


def test_pages_over_thousands_of_items(client: Client, name: str) -> None:
    client.libraries.create(name, dimension=DIMENSION)
    library = client.library(name)
    report = library.upsert_many(chunks(2_500), batch_bytes=50_000, concurrency=3, on_error="raise")
    library.upsert_many([{"id": f"e{number:04}"} for number in range(2_100)], on_error="raise")
    expected = [f"c{number:05}" for number in range(2_500)]

    assert (report.items, report.chunks) == (2_500, 2_500)
    assert [chunk.id for chunk in library.scan()] == expected
    assert [len(page.items) for page in library.scan(page_size=1_000).pages()] == [1_000, 1_000, 500]
    assert [chunk.id for chunk in library.scan(limit=1_234, page_size=100)] == expected[:1_234]
    assert [chunk.id for chunk in library.document("d3").chunks.list(page_size=100)] == expected[3::7]
    assert [document.id for document in library.documents.list()] == [
        *(f"d{number}" for number in range(7)),
        *(f"e{number:04}" for number in range(2_100)),
    ]


def test_bad_items_among_thousands_are_named_and_the_rest_is_written(client: Client, name: str) -> None:
    client.libraries.create(name, dimension=DIMENSION)
    library = client.library(name)
    items = list(chunks(3_000))
    bad = {
        17: {**items[17], "embedding": [1.0]},
        1_500: {**items[1_500], "text": 5},
        1_501: {**items[1_501], "id": "no spaces allowed"},
        2_999: {**items[2_999], "surprise": True},
    }
    for number, item in bad.items():
        items[number] = item

    report = library.upsert_many(items, batch_bytes=30_000)

    assert [failed.index for failed in report.failed] == sorted(bad)
    assert [failed.line for failed in report.failed] == [number + 1 for number in sorted(bad)]
    assert [failed.pointer for failed in report.failed] == ["/embedding", "/text", "/id", "/surprise"]
    assert all(failed.item is bad[failed.index] for failed in report.failed)
    assert (report.items, report.chunks, library.count()) == (3_000, 2_996, 2_996)
    with pytest.raises(BulkFailed) as stopped:
        library.upsert_many(items, on_error="raise")
    assert stopped.value.report.failed


def test_the_server_names_the_first_bad_lines_in_order(server: Server, client: Client, name: str) -> None:
    client.libraries.create(name, dimension=2)
    client.library(name).documents.put("other", chunks=[{"id": "taken", "text": "t", "embedding": [1, 0]}])
    good = {"document_id": "d", "text": "t", "embedding": [1, 0]}
    lines: list[object] = [{**good, "id": f"c{number}"} for number in range(40)]
    lines[3] = {**good, "id": "wrong dimension", "embedding": [1, 0]}
    lines[5] = {**good, "id": "c5", "embedding": [1, 0, 0]}
    lines[9] = {"id": "c9", "document_id": "d", "text": 9, "embedding": [1, 0]}
    lines[20] = {**good, "id": "c20", "embedding": [0, 0]}
    body = b"\n".join(json.dumps(line).encode() for line in lines)

    def post(on_error: str) -> Any:
        headers = {"content-type": "application/x-ndjson"}
        url = f"{server.url}/v1/libraries/{name}/import"
        return httpx.post(url, params={"on_error": on_error}, content=body, headers=headers).json()

    stopped, gone_on = post("abort"), post("continue")

    assert (stopped["aborted"], stopped["chunks"], [one["line"] for one in stopped["errors"]]) == (True, 3, [4])
    assert (gone_on["chunks"], gone_on["failed"]) == (36, 4)
    assert [one["line"] for one in gone_on["errors"]] == [4, 6, 10, 21]


def test_reads_ask_for_what_was_written(server: Server, client: Client, name: str) -> None:
    client.libraries.create(name, dimension=2)
    network = LosesAnswers()
    with Client(server.url, transport=network, retries=RetryPolicy(retries=2, first_delay=0.01)) as mine:
        mine.library(name).documents.put("d")
        position = mine.libraries.get(name).position
        mine.library(name).count()
    assert network.seen[-1].headers["x-quire-min-position"] == str(position)

    ahead = {"x-quire-min-position": str(position + 5), "x-quire-max-wait-ms": "10"}
    with (
        Client(server.url, headers=ahead, retries=0, read_your_writes=False) as hasty,
        pytest.raises(Unavailable) as behind,
    ):
        hasty.library(name).documents.get("d")
    assert (behind.value.status, behind.value.code, behind.value.retryable) == (503, "replica-behind", True)


def test_the_client_that_is_awaited(server: Server, name: str) -> None:
    async def work() -> None:
        async with AsyncClient(server.url, retries=0) as client:
            await client.libraries.create(name, dimension=DIMENSION, metric="l2")
            library = client.library(name)
            report = await library.upsert_many(chunks(2_050), batch_bytes=40_000)
            assert (report.chunks, report.failed) == (2_050, ())
            found = await asyncio.gather(
                *(library.search(vector=one["embedding"], k=1, filter=F.text == one["text"]) for one in chunks(30))
            )
            assert [result.ids for result in found] == [[one["id"]] for one in chunks(30)]
            batch = await library.search_batch(vectors=[one["embedding"] for one in chunks(300)], k=1, exact=True)
            assert [result.ids for result in batch] == [[one["id"]] for one in chunks(300)]
            assert len([chunk.id async for chunk in library.scan(page_size=500)]) == 2_050
            assert len([line async for line in library.export()]) == 7
            job = await library.index.configure(kind="flat")
            assert (await client.jobs.wait(job, timeout=60)).state == "succeeded"
            with pytest.raises(ValidationFailed):
                await library.search(vector=[1.0])
            await client.libraries.delete(name)

    asyncio.run(asyncio.wait_for(work(), 90))
