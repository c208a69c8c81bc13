"""Strains about the disk and the system's calls.

A disk that flushes slowly must not make reads wait; one that is read-only for a while must be written again after it;
signals that interrupt every thread must not be seen.
"""

from __future__ import annotations

import ctypes
import signal
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from reliability.load.shelves import DIMENSION, difference, read_shelf, same
from reliability.load.writers import Writer
from reliability.servers import Nursery, Server
from reliability.switch import SWITCH_VARIABLE, Switch
from reliability.wire import Wire

RECOVERED_WITHIN_SECONDS = 5.0
_ROUNDS = 3
_STORM_SECONDS = 2.0
_SIGNALS_MIN = 200
_WRITERS = 2
_PACED_WRITERS = 16
_PACED_SECONDS = 3.0
_ATTEMPTS = 3
_READ_SECONDS_LEAST = 0.01
"""Below it, what the machine does otherwise is larger than any difference."""
_LIBRARY = "/v1/libraries/strain"
_libc = ctypes.CDLL(None)


def read_only_disk(folder: Path, bugs: Sequence[str]) -> list[str]:
    """Three times the disk is read-only for a while: writes are refused, reads go on, and all is well afterwards."""
    wrong = []
    switch = Switch(folder / "switch")
    told = {SWITCH_VARIABLE: str(folder / "switch")}
    with Nursery(["troubles.read_only_by_switch", *bugs], told) as nursery:
        server = nursery.start(folder / "data")
        server.wait_until_ready()
        with server.wire() as wire:
            wire.demand("PUT", _LIBRARY, {"dimension": 2})
            for number in range(_ROUNDS):
                wire.demand("PUT", f"{_LIBRARY}/documents/kept-{number}", _DOCUMENT)
                switch.set(1)
                wrong += _judge_refusals(wire, number)
                switch.set(0)
                wrong += _judge_recovery(wire, number)
                if wrong:
                    return wrong
        wrong += server.complaints_at_end()
        again = nursery.start(folder / "data")
        again.wait_until_ready()
        with again.wire() as wire:
            found = wire.demand("GET", _LIBRARY).json()["document_count"]
            if found != 2 * _ROUNDS:
                wrong.append(f"after a restart {found} documents are there instead of {2 * _ROUNDS}")
        return wrong + again.complaints_at_end()


_DOCUMENT = {"chunks": [{"text": "t", "embedding": [1, 2]}]}


def _judge_refusals(wire: Wire, number: int) -> list[str]:
    """The disk is read-only now."""
    wrong = []
    refused = [
        wire.ask("PUT", f"{_LIBRARY}/documents/refused-{number}", _DOCUMENT),
        wire.ask("PUT", f"/v1/libraries/other-{number}", {"dimension": 2}),
        wire.ask("DELETE", f"{_LIBRARY}/documents/kept-{number}"),
    ]
    wrong += [f"on a read-only disk a write was answered {answer}" for answer in refused if answer.status != 503]
    read = [
        wire.ask("GET", f"{_LIBRARY}/documents/kept-{number}"),
        wire.ask("POST", f"{_LIBRARY}/search", {"vector": [1, 2]}),
        wire.ask("GET", f"{_LIBRARY}/export"),
    ]
    wrong += [f"on a read-only disk a read was answered {answer}" for answer in read if answer.status != 200]
    shown = wire.ask("GET", f"{_LIBRARY}/documents/refused-{number}")
    if shown.status != 404:
        wrong.append(f"what a read-only disk refused was answered {shown}")
    return wrong


def _judge_recovery(wire: Wire, number: int) -> list[str]:
    """The disk can be written again, and nobody has restarted the server."""
    deadline = time.monotonic() + RECOVERED_WITHIN_SECONDS
    while True:
        answer = wire.ask("PUT", f"{_LIBRARY}/documents/new-{number}", _DOCUMENT)
        if answer.is_done:
            break
        if time.monotonic() > deadline:
            return [f"on a disk that can be written again a write was answered {answer}"]
        time.sleep(0.05)
    made = wire.ask("PUT", f"/v1/libraries/other-{number}", {"dimension": 2})
    return [] if made.is_done else [f"on a disk that can be written again a library was answered {made}"]


def signal_storm(folder: Path, bugs: Sequence[str]) -> list[str]:
    """Signals interrupt every thread while clients write and read; nothing of it is to be seen."""
    wrong = []
    with Nursery(["troubles.note_signals", *bugs]) as nursery:
        server = nursery.start(folder / "stormy")
        server.wait_until_ready()
        with server.wire() as wire:
            wire.demand("PUT", _LIBRARY, {"dimension": DIMENSION, "metric": "l2"})
        writers = [Writer(number, "strain", 1) for number in range(_WRITERS)]
        over = threading.Event()
        threads = [threading.Thread(target=_write, args=(writer, server, over)) for writer in writers]
        for thread in threads:
            thread.start()
        sent = _storm(server.process_id)
        over.set()
        for thread in threads:
            thread.join()
        if sent < _SIGNALS_MIN:
            wrong.append(f"only {sent} signals were sent")
        with server.wire() as wire:
            shelf, broken = read_shelf(wire.demand("GET", f"{_LIBRARY}/export").lines())
        wrong += broken
        for writer in writers:
            wrong += writer.violations
            mine = {name: document for name, document in shelf.items() if document.source == writer.name}
            if not same(writer.shelf, mine) or writer.undecided is not None:
                wrong.append(f"under signals {writer.name}: {difference(writer.shelf, mine)}")
        return wrong + server.complaints_at_end()


def _write(writer: Writer, server: Server, over: threading.Event) -> None:
    with server.wire() as wire:
        writer.run(wire, over)


def _storm(process_id: int) -> int:
    """Interrupt each thread of a process, again and again; how often that was."""
    sent = 0
    ends = time.monotonic() + _STORM_SECONDS
    while time.monotonic() < ends:
        with suppress(FileNotFoundError):
            for thread in Path(f"/proc/{process_id}/task").iterdir():
                sent += _libc.tgkill(process_id, int(thread.name), signal.SIGUSR1) == 0
        time.sleep(0.002)
    return sent


def reads_beside_slow_writes(folder: Path, bugs: Sequence[str]) -> list[str]:
    """The same paced writes on a quick and on a slow disk: 99 of 100 reads must take less than twice as long.

    What else the machine does falls on either: the best of some attempts counts.
    """
    with Nursery(bugs) as quick, Nursery([*bugs, "operations.flush_slowly"]) as slow:
        pairs = []
        for attempt in range(_ATTEMPTS):
            taken = _slowest_reads(quick, folder / f"quick-{attempt}"), _slowest_reads(slow, folder / f"slow-{attempt}")
            if taken[1] < 2 * max(taken[0], _READ_SECONDS_LEAST):
                return []
            pairs.append("{:.1f} and {:.1f}".format(*(1_000 * seconds for seconds in taken)))
    return [f"the slowest of 100 reads beside a quick and a slow disk took, in ms, {', '.join(pairs)}"]


def _slowest_reads(nursery: Nursery, data: Path) -> float:
    """Seconds that 99 of 100 reads and searches take at most, while writers send a document each, every second."""
    server = nursery.start(data)
    server.wait_until_ready()
    with server.wire() as wire, ThreadPoolExecutor(_PACED_WRITERS) as pool:
        wire.demand("PUT", _LIBRARY, {"dimension": 2})
        wire.demand("PUT", f"{_LIBRARY}/documents/d", _DOCUMENT)
        ends = time.monotonic() + _PACED_SECONDS
        writes = [pool.submit(_write_at_a_pace, server, number, ends) for number in range(_PACED_WRITERS)]
        taken = []
        while time.monotonic() < ends:
            for request in (("GET", f"{_LIBRARY}/documents/d"), ("POST", f"{_LIBRARY}/search", {"vector": [1, 2]})):
                began = time.monotonic()
                wire.demand(*request)
                taken.append(time.monotonic() - began)
            time.sleep(0.005)
        for write in writes:
            write.result()
    server.end()
    return sorted(taken)[len(taken) * 99 // 100]


def _write_at_a_pace(server: Server, number: int, ends: float) -> None:
    due = time.monotonic() + number / _PACED_WRITERS
    with server.wire() as wire:
        while due < ends:
            time.sleep(max(0.0, due - time.monotonic()))
            wire.demand("PUT", f"{_LIBRARY}/documents/w{number}", _DOCUMENT)
            due += 1
