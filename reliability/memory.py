"""Memory of a server: `python -m reliability.memory [--count N] [--seed S]`.

`count` mixed requests must not make it grow (less than 1 MiB for 100,000, after a tenth of them to warm up), libraries
that are made and deleted must leave nothing behind, and requests made to take as much memory as they can must be
refused before the process holds more than its limit, or the system refuses it more.
"""

from __future__ import annotations

import os
import random
import re
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from reliability.command_line import Rig, run_rig
from reliability.records import Record
from reliability.servers import Nursery, Server
from reliability.wire import Cut, Wire

MEBIBYTE = 1024 * 1024
LEAK = "operations.leak_with_each_request"
BUGS = (LEAK, "operations.admit_everything")
GROWTH_BYTES = MEBIBYTE
GROWTH_REQUESTS = 100_000
NOISE_BYTES = 4 * MEBIBYTE
"""What a heap may differ by between two looks although nothing grows."""
CYCLES_MAX = 50
ROOM_BYTES = 160 * MEBIBYTE
EXCESS_BYTES = 64 * MEBIBYTE
"""What several requests at once may take beyond the estimates that they were admitted by."""
_DATA_BYTES_SPARE = 400 * MEBIBYTE
"""Stacks of threads count too, though hardly any of them is used."""
HOSTILE_AT_ONCE = 8
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_DIMENSION = 16
_IDS = 300


def private_bytes(process_id: int) -> int:
    """What a process holds without pages of mapped files."""
    _, resident, shared, *_ = Path(f"/proc/{process_id}/statm").read_text().split()
    return (int(resident) - int(shared)) * _PAGE_BYTES


def settled_bytes(process_id: int) -> int:
    """The least it holds within some looks: garbage comes and goes."""
    looks = []
    for _ in range(20):
        looks.append(private_bytes(process_id))
        time.sleep(0.05)
    return min(looks)


class Mixture:
    """Requests of all kinds on one library of bounded size."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)

    def prepare(self, wire: Wire) -> None:
        """Make the library."""
        wire.demand("PUT", "/v1/libraries/mixed", {"dimension": _DIMENSION, "metric": "l2"})
        wire.demand("PUT", "/v1/libraries/mixed/documents/d", {"chunks": []})

    def one(self, wire: Wire) -> None:
        """Any request; what it is answered is not judged here, but by status."""
        path = "/v1/libraries/mixed"
        name = f"c{self._chance.randrange(_IDS)}"
        vector = [round(self._chance.gauss(0, 1), 5) for _ in range(_DIMENSION)]
        chunk = {"text": f"text of {name}", "embedding": vector, "metadata": {"page": len(name)}}
        kind = self._chance.randrange(10)
        if kind < 4:
            answer = wire.ask("POST", f"{path}/search", {"vector": vector, "k": 5})
        elif kind < 7:
            answer = wire.ask("PUT", f"{path}/documents/d/chunks/{name}", chunk)
        elif kind == 7:
            answer = wire.ask("GET", f"{path}/chunks/{name}")
        elif kind == 8:
            answer = wire.ask("DELETE", f"{path}/documents/d/chunks/{name}")
        else:
            answer = wire.ask("POST", f"{path}/search", {"vector": [*vector, 1.0], "k": name})
        if answer.status >= 500:
            raise AssertionError(f"a mixed request was answered {answer}")


def slope(server: Server, count: int, seed: int) -> list[str]:
    """`count` mixed requests, and what is wrong with the memory afterwards."""
    mixture = Mixture(seed)
    with server.wire() as wire:
        mixture.prepare(wire)
        for _ in range(max(count // 10, 800)):
            mixture.one(wire)
        before = settled_bytes(server.process_id)
        for _ in range(count):
            mixture.one(wire)
        grown = settled_bytes(server.process_id) - before
    allowed = max(NOISE_BYTES, GROWTH_BYTES * count // GROWTH_REQUESTS)
    if grown > allowed:
        return [f"{count} requests made the server {grown // 1024} KiB larger, more than {allowed // 1024}"]
    return []


def cycles(server: Server, count: int, seed: int) -> list[str]:
    """`count` libraries made, filled, indexed and deleted, and what they left behind."""
    vectors = np.random.default_rng(seed).normal(size=(1_000, _DIMENSION)).round(4).tolist()
    chunks = [{"text": "t", "embedding": vector} for vector in vectors]
    sizes = []
    with server.wire() as wire:
        for number in range(count + 2):
            path = f"/v1/libraries/cycle-{number}"
            wire.demand("PUT", path, {"dimension": _DIMENSION})
            wire.demand("PUT", f"{path}/documents/d", {"chunks": chunks})
            wire.demand("POST", f"{path}/search", {"vector": vectors[0], "k": 10})
            wire.demand("DELETE", path)
            if number in {1, count + 1}:
                sizes.append((settled_bytes(server.process_id), _open_files(server)))
    (before, files_before), (after, files_after) = sizes[0], sizes[-1]
    wrong = []
    if after > before * 1.05 + NOISE_BYTES:
        wrong.append(f"{count} libraries made and deleted left {(after - before) // 1024} KiB behind")
    if files_after > files_before:
        wrong.append(f"{count} libraries made and deleted left {files_after - files_before} files open")
    return wrong


def hostile_body(kind: int) -> bytes:
    """JSON that takes many times its length when it is decoded."""
    parts = (
        b",".join([b'{"a":0}'] * 900_000),
        b",".join(b'"%d"' % number for number in range(700_000)),
        b",".join([b"0.123"] * 3_000_000),
        b",".join(b'{"id":"%d","op":"put"}' % number for number in range(200_000)),
    )
    return b'{"operations":[' + parts[kind % len(parts)] + b"]}"


def hostile(server: Server, count: int, limit: int) -> list[str]:
    """`count` hostile requests, several at once: documented answers, and never more memory than the limit."""
    peak = 0
    over = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not over.wait(0.002):
            peak = max(peak, private_bytes(server.process_id))

    watcher = threading.Thread(target=watch)
    watcher.start()
    with ThreadPoolExecutor(HOSTILE_AT_ONCE) as pool:
        bodies = [hostile_body(kind) for kind in range(4)]
        answered = list(pool.map(lambda number: _send(server.port, bodies[number % len(bodies)]), range(count)))
    over.set()
    watcher.join()
    wrong = [f"a hostile request was answered {status}" for status in set(answered) - {400, 404, 413, 422, 503}]
    if peak > limit + EXCESS_BYTES:
        wrong.append(f"the server held {peak // MEBIBYTE} MiB, its limit is {limit // MEBIBYTE}")
    with server.wire() as wire:
        wire.demand("GET", "/v1/libraries")
    return wrong


def _send(port: int, body: bytes) -> int:
    with Wire(port) as wire:
        try:
            path = "/v1/libraries/mixed/chunks/batch"
            return wire.ask("POST", path, body, {"content-type": "application/json"}).status
        except Cut as cut:
            if isinstance(cut.__cause__, (BrokenPipeError, ConnectionResetError)):
                return 503  # refused before the body was sent to its end
            raise


def _open_files(server: Server) -> int:
    return len(list(Path(f"/proc/{server.process_id}/fd").iterdir()))


def growth(count: int, seed: int, bugs: Sequence[str] = ()) -> list[str]:
    """What is wrong with the memory of a server after `count` mixed requests and some libraries made and deleted."""
    with tempfile.TemporaryDirectory(prefix="quire-memory-") as folder, Nursery(bugs) as nursery:
        server = nursery.start(Path(folder) / "data")
        server.wait_until_ready()
        wrong = [*slope(server, count, seed), *cycles(server, libraries_for(count), seed)]
        return wrong + server.complaints_at_end()


def refusals(sent: int, bugs: Sequence[str] = ()) -> list[str]:
    """What is wrong with a server of little memory after so many hostile requests."""
    with tempfile.TemporaryDirectory(prefix="quire-memory-") as folder, Nursery(bugs) as nursery:
        limit = ROOM_BYTES + private_bytes_of_a_start(nursery, Path(folder) / "idle")
        server = nursery.start(Path(folder) / "data", ["--memory-limit", str(limit)])
        server.wait_until_ready()
        with server.wire() as wire:
            Mixture(0).prepare(wire)
        _limit_data(server)
        try:
            wrong = hostile(server, sent, limit)
        except Cut as error:
            wrong = [f"under a limit of the system the server is gone: {error}"]
        return wrong + server.complaints_at_end()


def _limit_data(server: Server) -> None:
    """Have the system refuse memory to a server that takes much more than its own limit allows."""
    held = re.search(r"^VmData:\s+(\d+) kB$", Path(f"/proc/{server.process_id}/status").read_text(), re.MULTILINE)
    assert held is not None
    size = int(held[1]) * 1024 + _DATA_BYTES_SPARE
    resource.prlimit(server.process_id, resource.RLIMIT_DATA, (size, size))


def libraries_for(count: int) -> int:
    """How many libraries to make and delete beside so many requests."""
    return min(CYCLES_MAX, max(count // 500, 3))


def hostile_for(count: int) -> int:
    """How many hostile requests to send beside so many mixed ones."""
    return min(1_000, max(count // 100, 16))


def private_bytes_of_a_start(nursery: Nursery, data: Path) -> int:
    """What a server holds that has done nothing."""
    idle = nursery.start(data)
    idle.wait_until_ready()
    held = settled_bytes(idle.process_id)
    idle.end()
    return held


def run(count: int, seed: int) -> Record:
    """A record of everything."""
    started = time.monotonic()
    made, sent = libraries_for(count), hostile_for(count)
    wrong = [*growth(count, seed), *refusals(sent)]
    counts = {"mixed requests": count, "libraries made and deleted": made, "hostile requests": sent}
    command = f"python -m reliability.memory --count {count} --seed {seed}"
    return Record("memory", command, seed, time.monotonic() - started, counts, wrong)


def catch(bug: str, seed: int) -> str | None:
    """What the rig says of a planted bug, or None."""
    wrong = growth(600, seed, [bug]) if bug == LEAK else refusals(HOSTILE_AT_ONCE, [bug])
    return wrong[0] if wrong else None


if __name__ == "__main__":
    sys.exit(run_rig(Rig(run, 4_000, BUGS, catch), __doc__))
