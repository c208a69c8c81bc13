"""Large imports and exports through `quiredb.open`."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from quiredb_client import Client

import quiredb
from quiredb.app import Instance
from quiredb.local import ApplicationTransport
from quiredb.settings import Settings
from tests.integration.local.conftest import finishes, until

DIMENSION = 32
DOCUMENTS = 400
CHUNKS = 10


def documents() -> Iterator[dict[str, Any]]:
    rows = np.random.default_rng(5).standard_normal((DOCUMENTS, CHUNKS, DIMENSION)).astype(np.float32)
    for number, vectors in enumerate(rows):
        chunks = [
            {"id": f"c{number:04}-{place}", "text": f"text {place} " * 20, "embedding": vector}
            for place, vector in enumerate(vectors)
        ]
        yield {"id": f"d{number:04}", "metadata": {"title": f"Title {number}"}, "chunks": chunks}


def content(value: Any) -> Any:
    """An exported document without what differs between two libraries, its embeddings as bytes."""
    if isinstance(value, dict):
        times = {"version", "created_at", "updated_at"}
        return {name: content(member) for name, member in value.items() if name not in times}
    if isinstance(value, list):
        return [content(member) for member in value]
    return value.tobytes() if isinstance(value, np.ndarray) else value


def test_what_went_in_comes_out_and_goes_in_elsewhere(client: Client, tmp_path: Path) -> None:
    for name in ("first", "second", "third"):
        client.libraries.create(name, dimension=DIMENSION)
    first, second, third = (client.library(name) for name in ("first", "second", "third"))

    report = first.upsert_many(documents(), batch_bytes=200_000, on_error="raise")
    second.upsert_many(first.export(), batch_bytes=200_000, on_error="raise")
    assert first.export_to(tmp_path / "first.ndjson") == DOCUMENTS
    third.import_(tmp_path / "first.ndjson", on_error="raise")

    assert (report.documents, report.chunks) == (DOCUMENTS, DOCUMENTS * CHUNKS)
    exported = [content(line) for line in first.export()]
    assert [line["id"] for line in exported] == [document["id"] for document in documents()]
    assert exported == [content(line) for line in second.export()]
    assert exported == [content(line) for line in third.export()]
    embeddings = [chunk["embedding"].tobytes() for document in documents() for chunk in document["chunks"]]
    assert [chunk["embedding"] for line in exported for chunk in line["chunks"]] == embeddings


def test_an_export_that_is_left_early_hangs_nothing_and_holds_nothing(folder: Path) -> None:
    before = set(threading.enumerate())

    def work() -> None:
        with quiredb.open(folder) as client:
            client.libraries.create("papers", dimension=DIMENSION)
            papers = client.library("papers")
            papers.upsert_many(documents(), on_error="raise")
            for _ in range(5):
                lines = papers.export_lines()
                assert len(list(islice(lines, 2))) == 2
                lines.close()
            dropped = papers.export_lines()
            next(dropped)
            del dropped
            gc.collect()
            held = papers.export_lines()
            next(held)
            papers.documents.delete("d0000")
            assert papers.stats().document_count == DOCUMENTS - 1
            client.close()
            held.close()

    finishes(work, 60)
    until(lambda: not set(threading.enumerate()) - before)
    quiredb.open(folder).close()


def test_a_request_body_streams_into_an_import(folder: Path) -> None:
    instance = Instance(Settings(data=folder))
    instance.services.health.starting(None)
    alive: list[int] = []

    def lines() -> Iterator[bytes]:
        for number in range(5_000):
            alive.append(number)
            yield b'{"id": "c%d", "document_id": "d%d", "text": "t", "embedding": [1, %d]}\n' % (
                number,
                number // 100,
                number,
            )

    with httpx.Client(
        base_url="http://test", transport=ApplicationTransport(instance.api(), instance.close), timeout=60
    ) as client:
        client.put("/v1/libraries/papers", json={"dimension": 2}).raise_for_status()
        answer = client.post(
            "/v1/libraries/papers/import", content=lines(), headers={"content-type": "application/x-ndjson"}
        )
        assert answer.json() | {"position": 0} == {
            "documents": 0,
            "chunks": 5_000,
            "failed": 0,
            "errors": [],
            "aborted": False,
            "position": 0,
        }
        assert client.post("/v1/libraries/papers/count", json={}).json()["count"] == 5_000
