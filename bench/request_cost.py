"""What HTTP adds to a search: CPU time of the server process for each request, beside the same search in process.

    python -m bench.request_cost                  100,000 chunks made here
    python -m bench.request_cost --data FOLDER    a data set, as bench.run takes it
    python -m bench.request_cost --folder FOLDER  keep the server's data there, and skip the import when it is there

The client writes ready-made requests to sockets that stay open, so that it hardly uses the processor: to one, so that
the server falls asleep after each answer, and to sixteen at once, so that it is busy. The server's time is what all its
threads ran. `beyond the kernel` is that time less the time of the index alone; it holds everything else: HTTP, JSON,
checks, planning, texts of the hits, log and metrics. The audit of recall is off: what it repeats in idle time, bounded
to 4 % of one processor, is no part of a request.
"""

import argparse
import base64
import os
import socket
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray
from quiredb_client import Client
from rich.console import Console
from rich.table import Table

from bench import dataset, measures
from bench.server import Server
from quiredb.engine.searching import Nearest, search_view
from quiredb.repositories.libraries import LibraryRepository
from quiredb.repositories.open_library import OpenLibrary

_ROWS = 100_000
_BATCH = 100
_CLIENTS = 16
_ROUNDS = 5
_QUERIES = 500
_RECALL = 0.95
_BUILD_SECONDS = 600.0
_SEARCH = f"/v1/libraries/{measures.LIBRARY}/search"


@dataclass(frozen=True, slots=True)
class Shape:
    """How a request writes its vector, and what it asks for each hit: text and metadata, or ids alone."""

    name: str
    b64: bool
    include: list[str]

    def search(self, query: NDArray[np.float32]) -> dict[str, Any]:
        """The body of one search."""
        vector: Any = query.tolist()
        if self.b64:
            vector = {"b64": base64.b64encode(query.astype("<f4").tobytes()).decode("ascii"), "dtype": "f32"}
        return {"vector": vector, "k": measures.NEIGHBOURS, "recall": _RECALL, "include": self.include}


SHAPES = (
    Shape("numbers", b64=False, include=["text", "metadata"]),
    Shape("b64", b64=True, include=["text", "metadata"]),
    Shape("b64, ids alone", b64=True, include=[]),
)


class Connection:
    """One open connection that sends prepared requests and reads each answer to its end."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, request: bytes) -> None:
        """Write a request."""
        self._socket.sendall(request)

    def receive(self) -> bytes:
        """The body of the answer to the request before."""
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self._socket.recv(1 << 18)
        head, _, body = answer.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise SystemExit(answer.decode())
        length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        parts, missing = [body], length - len(body)
        while missing:
            parts.append(self._socket.recv(1 << 18))
            missing -= len(parts[-1])
        return b"".join(parts)

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


def main() -> None:
    """Fill a server, measure it over HTTP, stop it, and measure the same searches in this process."""
    parser = argparse.ArgumentParser(prog="python -m bench.request_cost", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of a data set; default: made here")
    parser.add_argument("--folder", type=Path, help="where the server's data stays between runs")
    parser.add_argument("--rounds", type=int, default=_ROUNDS, help="times that each figure is measured (the median)")
    arguments = parser.parse_args()
    data = dataset.load(arguments.data) if arguments.data else dataset.synthetic(_ROWS)
    queries = data.queries[:_QUERIES]
    with tempfile.TemporaryDirectory() as temporary:
        folder: Path = arguments.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        with Server(folder / "data", "--audit-share", "0") as server:
            imported = _filled(server, data)
            served = _over_http(server, queries, arguments.rounds)
        alone = _in_process(folder / "data", queries, arguments.rounds)
    _show(data.name, served, alone, imported)


def _filled(server: Server, data: dataset.Dataset) -> float | None:
    """Chunks imported by the SDK each second of wall time, or None when they were there already."""
    with Client(server.url) as client:
        if any(library.id == measures.LIBRARY for library in client.libraries.list()):
            return None
        figures = measures.import_all(server, client, data)
        library = client.library(measures.LIBRARY)
        # One segment, whatever the import left: the same work for every run and in both processes.
        client.jobs.wait(library.index.configure(kind="graph"), timeout=_BUILD_SECONDS)
    rate: float = figures["chunks per second"]
    return rate


def _over_http(server: Server, queries: NDArray[np.float32], rounds: int) -> dict[str, tuple[float, float, float]]:
    """For each shape, the server's CPU microseconds a search: of one client, of several at once, in batches of 100."""
    connections = [Connection(server.port) for _ in range(_CLIENTS)]
    figures = {}
    for shape in SHAPES:
        searches = [shape.search(query) for query in queries]
        single = [_request(_SEARCH, search) for search in searches]
        batches = [
            _request(f"{_SEARCH}/batch", {"searches": searches[at : at + _BATCH]})
            for at in range(0, len(searches), _BATCH)
        ]
        figures[shape.name] = (
            _microseconds(lambda sent=single: _send(connections[:1], sent), len(queries), rounds, server.cpu_seconds),
            _microseconds(lambda sent=single: _send(connections, sent), len(queries), rounds, server.cpu_seconds),
            _microseconds(lambda sent=batches: _send(connections[:1], sent), len(queries), rounds, server.cpu_seconds),
        )
    for connection in connections:
        connection.close()
    return figures


def _in_process(folder: Path, queries: NDArray[np.float32], rounds: int) -> dict[str, float]:
    """CPU microseconds a search of the index alone (one by one, and in batches) and of the engine around it."""
    repository = LibraryRepository.open(folder)
    library = repository.get(measures.LIBRARY)
    view = library.view()
    count = len(queries)
    figures = {
        "engine": _microseconds(lambda: _search_engine(library, queries), count, rounds, time.process_time),
        "index": 0.0,
        "index batch": 0.0,
    }
    plan = search_view(view, Nearest(queries[0], measures.NEIGHBOURS, _RECALL), None, library.texts).plan
    for part, planned in zip(view.segments, plan.parts, strict=False):
        index = part.segment.index
        how: dict[str, Any] = {"effort": planned.effort} if planned.effort else {"recall": _RECALL}
        figures["index"] += _microseconds(
            lambda index=index, how=how: [index.search(query, measures.NEIGHBOURS, **how) for query in queries],
            count, rounds, time.process_time,
        )  # fmt: skip
        figures["index batch"] += _microseconds(
            lambda index=index, how=how: [
                index.search_batch(queries[at : at + _BATCH], measures.NEIGHBOURS, **how)
                for at in range(0, count, _BATCH)
            ],
            count, rounds, time.process_time,
        )  # fmt: skip
    repository.close()
    return figures


def _search_engine(library: OpenLibrary, queries: NDArray[np.float32]) -> None:
    view = library.view()
    for query in queries:
        search_view(view, Nearest(query, measures.NEIGHBOURS, _RECALL), None, library.texts)


def _send(connections: Sequence[Connection], requests: Sequence[bytes]) -> None:
    """All requests, as many at a time as there are connections."""
    for start in range(0, len(requests), len(connections)):
        under_way = list(zip(connections, requests[start : start + len(connections)], strict=False))
        for connection, request in under_way:
            connection.send(request)
        for connection, _ in under_way:
            connection.receive()


def _request(path: str, content: dict[str, Any]) -> bytes:
    body = orjson.dumps(content)
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return head.encode("ascii") + b"\r\n\r\n" + body


def _microseconds(work: Callable[[], object], count: int, rounds: int, clock: Callable[[], float]) -> float:
    """The median over the rounds of CPU time for each of `count` searches; one round before them warms up."""
    work()
    spent = []
    for _ in range(rounds):
        started = clock()
        work()
        spent.append((clock() - started) / count * 1e6)
    return float(np.median(spent))


def _show(
    name: str, served: dict[str, tuple[float, float, float]], alone: dict[str, float], imported: float | None
) -> None:
    table = Table(title=f"{name}: CPU microseconds a search", title_justify="left")
    for heading in (
        "",
        "one client",
        "beyond kernel",
        f"{_CLIENTS} clients",
        "beyond kernel",
        "batches",
        "rate/in process",
    ):
        table.add_column(heading, justify="left" if not heading else "right")
    for shape, (single, busy, batched) in served.items():
        beyond = [f"{time:.0f}" for asked in (single, busy) for time in (asked, asked - alone["index"])]
        table.add_row(shape, *beyond, f"{batched:.0f}", f"{alone['index batch'] / batched:.0%}")
    table.add_section()
    table.add_row("in process: engine", f"{alone['engine']:.0f}")
    table.add_row("in process: index", f"{alone['index']:.0f}", *[""] * 3, f"{alone['index batch']:.0f}")
    Console().print(table)
    if imported is not None:
        Console().print(f"import by the SDK: {imported:,.0f} chunks a second ({os.cpu_count()} cores)")


if __name__ == "__main__":
    main()
