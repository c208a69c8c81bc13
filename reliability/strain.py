"""A server under strain: `python -m reliability.strain [--count N] [--seed S]`, `count` times over.

A disk that is slow to flush must not slow reads down, and writes beyond a bound are refused; background work that
always fails must show in readiness and metrics; without file descriptors answers must be clean, and good again once
there are some. What the disk and the system do besides is in `strained_disks.py`.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from reliability.command_line import Rig, run_rig
from reliability.records import Record
from reliability.servers import Nursery, Server
from reliability.strained_disks import read_only_disk, reads_beside_slow_writes, signal_storm
from reliability.wire import Cut, Wire

WRITERS = 160
READ_SECONDS_MAX = 0.4
"""A read while all writers wait for a disk that takes half a second to flush; 160 clients are on the same cores."""
NOTICED_WITHIN_SECONDS = 8.0
_DESCRIPTORS_SPARE = 12
_CONNECTIONS = 40


def slow_disk(folder: Path, bugs: Sequence[str]) -> list[str]:
    """Many writers on a slow disk, and reads beside them."""
    wrong = []
    with Nursery([*bugs, "operations.flush_slowly"]) as nursery:
        server = nursery.start(folder / "slow")
        server.wait_until_ready()
        with server.wire() as wire:
            _make(wire)
        with ThreadPoolExecutor(WRITERS) as pool:
            writes = [pool.submit(_write, server, number) for number in range(WRITERS)]
            taken = []
            with server.wire() as wire:
                while not all(write.done() for write in writes):
                    for path in ("/livez", "/v1/libraries/strain/documents/d"):
                        began = time.monotonic()
                        wire.demand("GET", path)
                        taken.append(time.monotonic() - began)
                    time.sleep(0.01)
        statuses = Counter(write.result() for write in writes)
        if statuses.keys() - {200, 201, 503} or not statuses[503]:
            wrong.append(f"{WRITERS} writers on a slow disk were answered {dict(statuses)}")
        typical = sorted(taken)[len(taken) * 9 // 10]
        if typical > READ_SECONDS_MAX:
            wrong.append(f"nine of ten reads beside a slow disk took up to {typical:.2f} s")
        wrong += server.complaints_at_end()
    return wrong


def failing_work(folder: Path, bugs: Sequence[str]) -> list[str]:
    """Background work that always fails."""
    wrong = []
    with Nursery([*bugs, "operations.fail_all_work"]) as nursery:
        server = nursery.start(folder / "failing")
        server.wait_until_ready()
        with server.wire() as wire:
            _make(wire)
            deadline = time.monotonic() + NOTICED_WITHIN_SECONDS
            while wire.ask("GET", "/readyz").status == 200 and time.monotonic() < deadline:
                time.sleep(0.1)
            ready = wire.ask("GET", "/readyz")
            if ready.status != 503 or ready.json()["status"] != "not-ready":
                wrong.append(f"background work always fails, and /readyz says {ready}")
            elif b'quire_worker_up{worker="quire-tidy"} 0.0' not in wire.demand("GET", "/metrics").body:
                wrong.append("background work always fails, and quire_worker_up is 1")
            wire.demand("GET", "/livez")
        wrong += server.complaints_at_end()
    return wrong


def no_descriptors(folder: Path, bugs: Sequence[str]) -> list[str]:
    """No file descriptors left for a while."""
    wrong = []
    with Nursery(bugs) as nursery:
        server = nursery.start(folder / "narrow")
        server.wait_until_ready()
        with server.wire() as wire, ExitStack() as idle:
            _make(wire)
            opened = len(list(Path(f"/proc/{server.process_id}/fd").iterdir()))
            limits = resource.prlimit(server.process_id, resource.RLIMIT_NOFILE)
            resource.prlimit(server.process_id, resource.RLIMIT_NOFILE, (opened + _DESCRIPTORS_SPARE, limits[1]))
            for _ in range(_CONNECTIONS):
                idle.enter_context(server.wire()).connect()
            statuses = Counter(wire.ask(*request).status for request in _REQUESTS for _ in range(5))
            if unclean := statuses.keys() - {200, 201, 204, 500, 503, 507}:
                wrong.append(f"without descriptors requests were answered {sorted(unclean)}")
        resource.prlimit(server.process_id, resource.RLIMIT_NOFILE, limits)
        wrong += _recovers(server)
        if "Traceback" in server.said:
            wrong.append(f"without descriptors the log has a stack: {server.said[-600:]}")
        wrong += server.complaints_at_end()
    return wrong


_REQUESTS: tuple[tuple[Any, ...], ...] = (
    ("GET", "/livez"),
    ("GET", "/v1/libraries/strain/documents/d"),
    ("PUT", "/v1/libraries/strain/documents/more", {}),
    ("PUT", "/v1/libraries/another", {"dimension": 2}),
    ("POST", "/v1/libraries/strain/search", {"vector": [1, 2]}),
)


def _recovers(server: Server) -> list[str]:
    """Every request is done again, within some seconds and without a restart."""
    deadline = time.monotonic() + NOTICED_WITHIN_SECONDS
    answered = "nothing"
    while time.monotonic() < deadline:
        try:
            with server.wire() as wire:
                answers = [wire.ask(*request) for request in _REQUESTS]
            if all(answer.is_done or answer.status == 412 for answer in answers):
                return []
            answered = str([answer.status for answer in answers])
        except Cut as error:
            answered = str(error)
        time.sleep(0.1)
    return [f"with descriptors again, requests are answered {answered}"]


def _make(wire: Wire) -> None:
    wire.demand("PUT", "/v1/libraries/strain", {"dimension": 2})
    wire.demand("PUT", "/v1/libraries/strain/documents/d", {"chunks": [{"text": "t", "embedding": [1, 2]}]})


def _write(server: Server, number: int) -> int:
    with server.wire() as wire:
        return wire.ask("PUT", f"/v1/libraries/strain/documents/w{number}", {}).status


STRAINS: dict[str, Callable[[Path, Sequence[str]], list[str]]] = {
    "slow disks": slow_disk,
    "failing workers": failing_work,
    "times without descriptors": no_descriptors,
    "quick and slow disks compared": reads_beside_slow_writes,
    "read-only disks": read_only_disk,
    "storms of signals": signal_storm,
}
_SEEN_BY: dict[str, Callable[[Path, Sequence[str]], list[str]]] = {
    "operations.report_dead_workers_up": failing_work,
    "troubles.read_behind_writes": reads_beside_slow_writes,
    "troubles.stop_writes_for_ever": read_only_disk,
    "troubles.give_up_when_interrupted": signal_storm,
}
BUGS = tuple(_SEEN_BY)


def run(count: int, seed: int) -> Record:
    """A record of everything, `count` times."""
    started = time.monotonic()
    wrong: list[str] = []
    for _ in range(count):
        for strain in STRAINS.values():
            with tempfile.TemporaryDirectory(prefix="quire-strain-") as folder:
                wrong += strain(Path(folder), ())
    command = f"python -m reliability.strain --count {count} --seed {seed}"
    return Record("strain", command, seed, time.monotonic() - started, dict.fromkeys(STRAINS, count), wrong)


def catch(bug: str, _seed: int) -> str | None:
    """What the rig says of a planted bug, or None."""
    with tempfile.TemporaryDirectory(prefix="quire-strain-") as folder:
        wrong = _SEEN_BY[bug](Path(folder), [bug])
    return wrong[0] if wrong else None


if __name__ == "__main__":
    sys.exit(run_rig(Rig(run, 3, BUGS, catch), __doc__))
