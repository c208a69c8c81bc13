"""The server is killed, loses files, or is ended under load: what it acknowledged is there, whole, and findable."""

from __future__ import annotations

import random
import subprocess
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from quiredb_client import Client, QuireError

from tests.e2e.contents import assert_searches_are_exact
from tests.e2e.server import QUIRE, Server, until

DIMENSION = 48
BATCH = 60
RESTART_WITHIN_SECONDS = 10.0


def vectors(count: int, seed: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((count, DIMENSION)).astype(np.float32)


@dataclass
class Importer:
    """Imports batch after batch, each in one request and one commit, until the server is gone."""

    client: Client
    library: str
    first: int
    acknowledged: list[int] = field(default_factory=list)
    tried: int = 0

    def run(self) -> None:
        library = self.client.library(self.library)
        for number in range(self.first, self.first + 100_000):
            self.tried = number
            items = [
                {"id": f"b{number}-{place}", "document_id": f"d{number % 9}", "text": "t" * 100, "embedding": vector}
                for place, vector in enumerate(vectors(BATCH, number))
            ]
            report = library.upsert_many(items, concurrency=1)
            if report.failed:
                return
            self.acknowledged.append(number)


def kill_during_imports(server: Server, rounds: int, seed: int) -> None:
    chance = random.Random(seed)
    acknowledged: set[int] = set()
    tried: set[int] = set()
    next_batch = 0
    made: list[Any] = []
    for round_ in range(rounds):
        restart_seconds = server.start()
        with server.client() as client:
            if round_ == 0:
                client.libraries.create("crash", dimension=DIMENSION, metric="l2")
            else:
                assert restart_seconds < RESTART_WITHIN_SECONDS
            verify(client, acknowledged, tried)
            made.append(made_once(server))
            importer = Importer(client, "crash", next_batch)
            thread = threading.Thread(target=importer.run)
            thread.start()
            wanted = chance.randrange(1, 30)
            until(lambda importer=importer, wanted=wanted: len(importer.acknowledged) >= wanted)
            time.sleep(chance.random() * 0.03)
            server.kill()
            thread.join()
        acknowledged |= set(importer.acknowledged)
        tried |= set(importer.acknowledged) | {importer.tried}
        next_batch = importer.tried + 1
    assert subprocess.run([QUIRE, "check", server.data], check=False, capture_output=True).returncode == 0
    server.start()
    with server.client() as client:
        verify(client, acknowledged, tried)
    assert all(answer == made[0] for answer in made), "an idempotency key survives a kill"
    assert server.end() == 0


def made_once(server: Server) -> Any:
    """The answer to a document created with always the same key."""
    url = f"{server.url}/v1/libraries/crash/documents"
    answer = httpx.post(url, json={"metadata": {"title": "A"}}, headers={"idempotency-key": "once"})
    return answer.status_code, answer.json()


def verify(client: Client, acknowledged: set[int], tried: set[int]) -> None:
    contents = assert_searches_are_exact(client, "crash", vectors(5, 999))
    present = Counter(int(identifier[1:].partition("-")[0]) for identifier in contents.ids)
    assert set(present.values()) <= {BATCH}, "a torn batch"
    assert acknowledged <= present.keys() <= tried
    originals = {number: vectors(BATCH, number) for number in present}
    for identifier, embedding in zip(contents.ids, contents.embeddings, strict=True):
        number, _, place = identifier[1:].partition("-")
        assert embedding.tobytes() == originals[int(number)][int(place)].tobytes()


def test_kills_during_imports_lose_nothing_acknowledged(own_server: Server) -> None:
    kill_during_imports(own_server, rounds=3, seed=1)


@pytest.mark.deep
@pytest.mark.timeout(1_200)
def test_fifteen_kills_during_imports_lose_nothing_acknowledged(own_server: Server) -> None:
    kill_during_imports(own_server, rounds=15, seed=2)


def test_segment_files_that_vanish_while_the_server_is_down_are_made_again(own_server: Server) -> None:
    own_server.start()
    with own_server.client() as client:
        client.libraries.create("papers", dimension=DIMENSION)
        library = client.library("papers")
        rows = vectors(6_000, 5)
        library.upsert_many(
            {"id": f"c{number:04}", "document_id": f"d{number // 100}", "text": "t", "embedding": row}
            for number, row in enumerate(rows)
        )
        until(lambda: bool(library.index.get().segments))
        before = assert_searches_are_exact(client, "papers", vectors(20, 6))
    assert own_server.end() == 0
    lost = [path for path in own_server.data.rglob("*") if path.is_file() and path.parent.name == "segments"]
    assert lost
    for path in lost:
        path.unlink()

    own_server.start()
    with own_server.client() as client:
        after = assert_searches_are_exact(client, "papers", vectors(20, 6))
        assert after.ids == before.ids
        assert after.embeddings.tobytes() == before.embeddings.tobytes()
        until(lambda: client.library("papers").index.get().state == "ready")
        until(lambda: len([path for path in own_server.data.rglob("segments/*") if path.is_file()]) > 0)
        assert_searches_are_exact(client, "papers", vectors(20, 7))
    assert own_server.end() == 0


def test_sigterm_under_load_ends_with_0_and_keeps_what_was_acknowledged(own_server: Server) -> None:
    own_server.start()
    acknowledged: list[str] = []
    searched: list[int] = []
    with own_server.client() as client:
        client.libraries.create("crash", dimension=DIMENSION, metric="l2")

    def write(worker: int) -> None:
        with own_server.client() as mine:
            for number in range(100_000):
                name = f"w{worker}-{number}"
                chunk = {"id": name, "text": "t", "embedding": vectors(1, number)[0]}
                mine.library("crash").documents.put(name, chunks=[chunk])
                acknowledged.append(name)

    def search() -> None:
        with own_server.client() as mine:
            while True:
                searched.append(len(mine.library("crash").search(vector=vectors(1, 3)[0])))

    def until_the_end(work: threading.Thread) -> threading.Thread:
        work.start()
        return work

    workers = [until_the_end(threading.Thread(target=_ending, args=(write, number))) for number in range(3)]
    workers += [until_the_end(threading.Thread(target=_ending, args=(search,))) for _ in range(2)]
    until(lambda: len(acknowledged) > 60 and len(searched) > 30)
    assert own_server.end() == 0
    for worker in workers:
        worker.join(30)
        assert not worker.is_alive()

    own_server.start()
    with own_server.client() as client:
        present = set(assert_searches_are_exact(client, "crash", vectors(5, 4)).ids)
        assert set(acknowledged) <= present
        assert len(present) <= len(acknowledged) + 3
    assert own_server.end() == 0


def _ending(work: object, *arguments: object) -> None:
    """Work until the server is gone."""
    assert callable(work)
    try:
        work(*arguments)
    except QuireError:
        return
