"""The measurements: each returns figures by name."""

import itertools
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from quiredb_client import Client, F, QuireError

from bench.dataset import NEIGHBOURS, Dataset
from bench.server import Server

LIBRARY = "bench"
KILLED = "killed"
_KILLED_BATCH = 1_000
_CHUNKS_PER_DOCUMENT = 20
_SETTLE_SECONDS = 1_800

Figures = dict[str, Any]


def documents(data: Dataset, first: int = 0, last: int | None = None) -> Iterator[dict[str, Any]]:
    """Rows as documents of 20 chunks with texts and metadata; chunk ids are `c<row>` with leading zeros."""
    last = len(data.base) if last is None else last
    for start in range(first, last, _CHUNKS_PER_DOCUMENT):
        rows = range(start, min(start + _CHUNKS_PER_DOCUMENT, last))
        yield {
            "id": f"d{start:07d}",
            "metadata": {"title": f"Document {start}", "source": data.sources[start]},
            "chunks": [
                {
                    "id": f"c{row:07d}",
                    "text": data.texts[row],
                    "embedding": data.base[row],
                    "metadata": {
                        "section": data.sources[row],
                        "page": row % 400,
                        "tags": [f"half-{row % 2}"],
                        "attributes": {"row": row, "rare": row % (len(data.base) // 5)},
                    },
                }
                for row in rows
            ],
        }


def import_all(server: Server, client: Client, data: Dataset) -> Figures:
    """Import everything over HTTP, then wait for the finished index."""
    client.libraries.create(id=LIBRARY, dimension=data.base.shape[1], metric="cosine")
    library = client.library(LIBRARY)
    started = time.perf_counter()
    report = library.upsert_many(documents(data), progress=False)
    imported = time.perf_counter() - started
    first = library.search(vector=data.queries[0], k=NEIGHBOURS, exact=True)
    settle(client)
    return {
        "chunks": report.chunks,
        "import seconds": round(imported, 2),
        "chunks per second": round(report.chunks / imported),
        "searchable at once": first.ids == ids_of(data.truth[0]),
        "seconds to the finished index": round(time.perf_counter() - started, 1),
        "disk MiB": round(server.disk_bytes() / 2**20),
        **{f"memory {name} MiB": round(size / 2**20) for name, size in server.memory_bytes().items()},
    }


def settle(client: Client) -> None:
    """Wait until background work is done."""
    library = client.library(LIBRARY)
    deadline = time.monotonic() + _SETTLE_SECONDS
    while True:
        stats = library.stats()
        few_dead = stats.dead_chunk_count <= 0.05 * max(stats.chunk_count, 1) + 256
        if library.index.get().state == "ready" and few_dead:
            return
        if time.monotonic() > deadline:
            raise SystemExit("the index did not settle")
        time.sleep(0.2)


def searches(client: Client, data: Dataset, count: int = 500) -> Figures:
    """Recall@10 and times of the default search and of the exact one, one query at a time over HTTP."""
    library = client.library(LIBRARY)
    figures: Figures = {}
    for name, options in (("default", {}), ("exact", {"exact": True})):
        found: list[list[str]] = []
        seconds = []
        for query in data.queries[:count]:
            started = time.perf_counter()
            answer = library.search(vector=query, k=NEIGHBOURS, **options)
            seconds.append(time.perf_counter() - started)
            found.append(answer.ids)
        figures[f"{name}: recall@10"] = recall(found, data.truth)
        figures[f"{name}: p50 ms"] = round(1000 * statistics.median(seconds), 2)
        figures[f"{name}: p99 ms"] = round(1000 * float(np.quantile(seconds, 0.99)), 2)
    return figures


def filters(client: Client, data: Dataset, count: int = 200) -> Figures:
    """A filter that five chunks match, and one that half of them match."""
    library = client.library(LIBRARY)
    rare = library.search(vector=data.queries[0], k=50, filter=F("attributes.rare") == 3)
    half = np.arange(len(data.base)) % 2 == 0
    found, truth = [], []
    for query in data.queries[:count]:
        answer = library.search(vector=query, k=NEIGHBOURS, filter=F.tags.contains("half-0"))
        found.append(answer.ids)
        truth.append(nearest(data.base, query, half))
    return {"hits of a filter that 5 match": len(rare), "recall@10 when half match": recall(found, np.array(truth))}


def delete_half(server: Server, client: Client, data: Dataset) -> Figures:
    """Delete every second chunk by filter and wait for the background work."""
    library = client.library(LIBRARY)
    disk, memory, resident = server.disk_bytes(), library.stats().memory_bytes, sum(server.memory_bytes().values())
    started = time.perf_counter()
    deleted = library.delete_where(F.tags.contains("half-1")).deleted
    seconds = time.perf_counter() - started
    settle(client)
    wait_until(lambda: server.disk_bytes() < 0.6 * disk, 120)
    after = library.stats().memory_bytes
    half = np.arange(len(data.base)) % 2 == 0
    found = [library.search(vector=query, k=NEIGHBOURS, exact=True).ids for query in data.queries[:50]]
    truth = np.array([nearest(data.base, query, half) for query in data.queries[:50]])
    return {
        "deleted": deleted,
        "delete seconds": round(seconds, 2),
        "seconds until space is back": round(time.perf_counter() - started, 1),
        "disk freed %": round(100 * (1 - server.disk_bytes() / disk)),
        "index memory freed %": round(100 * (1 - sum(after.values()) / sum(memory.values()))),
        "resident memory of the process MiB": f"{resident >> 20} -> {sum(server.memory_bytes().values()) >> 20}",
        "exact search afterwards": recall(found, truth),
    }


def killed_import(server: Server, data: Dataset, seconds: float = 1.5) -> Figures:
    """kill -9 in the middle of an import; everything acknowledged must be there after the restart."""
    acknowledged: list[str] = []
    with Client(server.url, retries=0) as client:
        client.libraries.create(id=KILLED, dimension=data.base.shape[1])
        killer = threading.Timer(seconds, server.kill)
        killer.start()
        for first in itertools.count(0, _KILLED_BATCH):
            batch = list(documents(data, first, first + _KILLED_BATCH))
            try:
                client.library(KILLED).upsert_many(batch, progress=False, on_error="raise")
            except QuireError:
                break
            acknowledged.extend(chunk["id"] for document in batch for chunk in document["chunks"])
        killer.join()
    restart = server.start()
    with Client(server.url) as client:
        present = {chunk.id for chunk in client.library(KILLED).scan()}
        client.libraries.delete(KILLED)
    missing = sum(identifier not in present for identifier in acknowledged)
    return {
        "acknowledged before kill -9": len(acknowledged),
        "missing after the restart": missing,
        "seconds from start to ready": round(restart, 2),
    }


def ids_of(rows: Sequence[int] | NDArray[np.int64]) -> list[str]:
    """Chunk ids of rows."""
    return [f"c{row:07d}" for row in rows]


def nearest(base: NDArray[np.float32], query: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The exact nearest rows inside the mask, by brute force."""
    rows = np.flatnonzero(mask)
    scores = base[rows].astype(np.float64) @ query.astype(np.float64)
    return rows[np.argsort(-scores, kind="stable")[:NEIGHBOURS]]


def recall(found: Sequence[Sequence[str]], truth: NDArray[np.int64]) -> float:
    """The mean share of the true neighbours that were found."""
    shares = [len(set(ids) & set(ids_of(true))) / len(true) for ids, true in zip(found, truth, strict=False)]
    return round(statistics.fmean(shares), 4)


def wait_until(condition: Callable[[], bool], seconds: float) -> None:
    """Return when the condition holds, or when the time is over."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.2)
