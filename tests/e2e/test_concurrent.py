"""Writers and readers at the same time over HTTP: no error, own writes seen, no torn batch, one state a search."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray
from quiredb_client import Client, F

from tests.e2e.contents import assert_searches_are_exact
from tests.e2e.server import Server

DIMENSION = 32
BATCH = 10
PRELOADED = 3_800


def vectors(count: int, seed: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((count, DIMENSION)).astype(np.float32)


def write(server: Server, library_name: str, writer: int, goes_on: Callable[[int], bool]) -> int:
    """Each commit replaces the writer's ten chunks by ten new ones and adds ten that stay."""
    random = np.random.default_rng(writer)
    with server.client() as client:
        library = client.library(library_name)
        for step in itertools.takewhile(goes_on, itertools.count()):
            rows = random.standard_normal((2 * BATCH, DIMENSION)).astype(np.float32)
            library.chunks.batch(
                [{"put": _chunk(f"w{writer}-{step}-{place}", writer, step, rows[place])} for place in range(BATCH)]
                + [{"put": _chunk(f"s{writer}-{step}-{place}", -1, step, rows[-place - 1])} for place in range(BATCH)]
                + [{"delete": {"id": f"w{writer}-{step - 1}-{place}"}} for place in range(BATCH if step else 0)]
            )
            assert library.search(vector=rows[3], k=1).ids == [f"w{writer}-{step}-3"]
            assert library.count(F.page == writer) == BATCH
    return step


def _chunk(identifier: str, writer: int, step: int, embedding: NDArray[np.float32]) -> dict[str, object]:
    document = f"d{writer}" if writer >= 0 else "stay"
    metadata = {"page": writer if writer >= 0 else None, "name": str(step)}
    given = {name: value for name, value in metadata.items() if value is not None}
    return {"id": identifier, "document_id": document, "text": "t", "embedding": embedding, "metadata": given}


def read(server: Server, library_name: str, reader: int, writers: int, ended: threading.Event) -> list[float]:
    """Whatever a reader sees of a writer is one whole batch; both ways of searching see the same state.

    Answers the share of the exact hits that each usual search found; it is all of them as long as no graph is walked.
    """
    random = np.random.default_rng(100 + reader)
    position = 0
    seen: set[int] = set()
    recalls: list[float] = []
    with server.client() as client:
        library = client.library(library_name)
        while not ended.is_set():
            query = random.standard_normal(DIMENSION).astype(np.float32)
            writer = int(random.integers(writers))
            usual, exact, own, own_exact = library.search_batch(
                [
                    {"vector": query, "k": 10, "explain": True},
                    {"vector": query, "k": 10, "exact": True},
                    {"vector": query, "k": 50, "filter": F.page == writer, "include": ["metadata"]},
                    {"vector": query, "k": 50, "filter": F.page == writer, "exact": True},
                ]
            )
            assert len({usual.position, exact.position, own.position, own_exact.position}) == 1
            assert usual.position is not None
            assert usual.position >= position, "a client never goes back in time"
            assert usual.plan is not None
            recalls.append(len(set(usual.ids) & set(exact.ids)) / len(exact))
            walked = any("graph" in part["strategy"] for part in usual.plan["parts"])
            assert walked or usual.ids == exact.ids
            assert own.ids == own_exact.ids
            assert len(own) in ({BATCH} if writer in seen else {0, BATCH}), "a torn batch"
            assert len({hit.metadata["name"] for hit in own if hit.metadata}) <= 1, "two batches at once"
            position = usual.position
            if len(own) == BATCH:
                seen.add(writer)
    return recalls


def run(server: Server, library_name: str, workers: int, goes_on: Callable[[int], bool]) -> tuple[int, int]:
    """So many writers and as many readers; answers how many steps and searches they did."""
    with server.client() as client:
        client.libraries.create(library_name, dimension=DIMENSION, metric="l2")
        library = client.library(library_name)
        for writer in range(workers):
            library.documents.put(f"d{writer}")
        library.documents.put("stay")
        library.upsert_many(_chunk(f"p{number}", -1, 0, row) for number, row in enumerate(vectors(PRELOADED, 50)))
    ended = threading.Event()
    with ThreadPoolExecutor(2 * workers) as pool:
        reading = [pool.submit(read, server, library_name, number, workers, ended) for number in range(workers)]
        writing = [pool.submit(write, server, library_name, number, goes_on) for number in range(workers)]
        try:
            steps = sum(one.result() for one in writing)
        finally:
            ended.set()
        recalls = [recall for one in reading for recall in one.result()]
    with server.client() as client:
        contents = assert_searches_are_exact(client, library_name, vectors(10, 51))
        assert len(contents.ids) == PRELOADED + steps_of(contents.ids) + workers * BATCH
        assert client.library(library_name).index.get().segments, "the run was to cross the sealing of a segment"
    assert sum(recalls) / len(recalls) >= 0.95
    return steps, len(recalls)


def steps_of(identifiers: list[str]) -> int:
    return sum(identifier.startswith("s") for identifier in identifiers)


def test_writers_and_readers_at_the_same_time(server: Server, client: Client, name: str) -> None:
    steps, searches = run(server, name, 4, lambda step: step < 30)

    assert steps == 4 * 29
    assert searches > 20


@pytest.mark.deep
@pytest.mark.timeout(600)
def test_many_writers_and_readers_for_a_minute(server: Server, name: str) -> None:
    end = time.monotonic() + 60
    steps, searches = run(server, name, 8, lambda _: time.monotonic() < end)

    assert steps > 100
    assert searches > 100
