"""An export imported elsewhere gives the same export, also of a library that is being written."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
from quiredb_client import Client

from tests.e2e.server import Server

DIMENSION = 32


def content(value: Any) -> Any:
    """An exported document without what differs between two libraries, its embeddings as bytes."""
    if isinstance(value, dict):
        times = {"version", "created_at", "updated_at"}
        return {name: content(member) for name, member in value.items() if name not in times}
    if isinstance(value, list):
        return [content(member) for member in value]
    return value.tobytes() if isinstance(value, np.ndarray) else value


def exported(client: Client, name: str) -> list[Any]:
    return [content(line) for line in client.library(name).export()]


def test_an_import_of_an_export_gives_the_same_export(client: Client, name: str, tmp_path: Path) -> None:
    random = np.random.default_rng(4)
    copy = f"{name}-copy"
    for each in (name, copy):
        client.libraries.create(each, dimension=DIMENSION, metric="dot")
    documents = [
        {
            "id": f"d{number:03}",
            "metadata": {
                "title": f"Tïtle {number}",
                "published_at": "2024-02-29T12:30:00Z",
                "tags": ["a", "ä"],
                "attributes": {"year": number, "share": 0.1 * number, "flag": number % 2 == 0, "names": ["x", "y"]},
            },
            "chunks": [
                {
                    "id": f"c{number}-{place}",
                    "text": f"text\n\u2028{place}",
                    "embedding": random.standard_normal(DIMENSION).astype(np.float32) * 10.0**place,
                    "position": 100 - place,
                    "metadata": {"page": place, "attributes": {"note": "ü"}} if place % 2 else {},
                }
                for place in range(number % 7)
            ],
        }
        for number in range(200)
    ]
    long = {"id": "long", "chunks": [_chunk(f"l{place:04}", place) for place in range(1_200)]}
    client.library(name).upsert_many([*documents, long], on_error="raise")

    client.library(copy).upsert_many(client.library(name).export(), on_error="raise")

    first = exported(client, name)
    assert exported(client, copy) == first
    assert client.library(name).export_to(tmp_path / "export.ndjson") == 201
    assert all(isinstance(one["embedding"], bytes) for line in first for one in line.get("chunks", [line]))
    assert [line["id"] for line in first if "text" not in line] == [*(one["id"] for one in documents), "long"]
    assert [chunk["id"] for chunk in first[6]["chunks"]] == [f"c6-{place}" for place in reversed(range(6))]
    sent = documents[6]["chunks"][0]["embedding"]
    assert first[6]["chunks"][-1]["embedding"] == sent.tobytes()


def _chunk(identifier: str, number: int) -> dict[str, Any]:
    embedding = np.random.default_rng(number).standard_normal(DIMENSION).astype(np.float32)
    return {"id": identifier, "text": f"text {number}", "embedding": embedding}


def test_an_export_during_writes_is_of_one_position(server: Server, client: Client, name: str) -> None:
    """Every commit changes the first and the last document together; a bulk in between makes the export long."""
    copy = f"{name}-copy"
    for each in (name, copy):
        client.libraries.create(each, dimension=DIMENSION)
    library = client.library(name)
    library.documents.put("a-first", chunks=[_chunk("first", 0)])
    library.documents.put("z-last", chunks=[_chunk("last", 0)])
    library.upsert_many(
        {**_chunk(f"m{number}", number), "document_id": f"m{number // 20:03}"} for number in range(3_000)
    )
    ended = threading.Event()
    written: list[int] = []

    def write() -> None:
        with server.client() as mine:
            while not ended.is_set():
                number = len(written) + 1
                puts = [("first", "a-first"), ("last", "z-last")]
                mine.library(name).chunks.batch(
                    [{"put": {**_chunk(chunk, number), "document_id": document}} for chunk, document in puts]
                )
                written.append(number)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        exports = [exported(client, name) for _ in range(5)]
    finally:
        ended.set()
        writer.join()

    for lines in exports:
        assert lines[0]["chunks"][0]["text"] == lines[-1]["chunks"][0]["text"], "two positions in one export"
        assert [line["chunk_count"] for line in lines] == [1, *[20] * 150, 1]
    assert len({lines[0]["chunks"][0]["text"] for lines in exports}) > 1, "nothing was written meanwhile"
    client.library(copy).upsert_many(library.export(), on_error="raise")
    assert exported(client, copy) == exported(client, name)
