"""SIGTERM under load: `python -m reliability.drain [--count N] [--seed S]`.

Every request that was accepted is answered, what was answered is there after the next start, and the server ends with 0
within ten seconds.
"""

from __future__ import annotations

import random
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

from reliability.command_line import Rig, run_rig
from reliability.records import Record
from reliability.servers import Nursery, Server
from reliability.wire import Cut, Wire

LIBRARY = "drain"
WRITERS = 6
END_WITHIN_SECONDS = 10.0
BUGS = ("server.drop_requests",)
DRAINS_TO_SEE = 6


class Writer:
    """Puts one chunk after the other, each over a connection that it keeps."""

    def __init__(self, number: int) -> None:
        self.name = f"w{number}"
        self.acknowledged: list[str] = []
        self.dropped: list[str] = []
        self.violations: list[str] = []

    def run(self, server: Server) -> None:
        """Write until the server takes no more."""
        made = 0
        with server.wire() as wire:
            while True:
                made += 1
                chunk = f"{self.name}-{server.process_id}-{made}"
                if not self._put(wire, chunk):
                    return

    def _put(self, wire: Wire, chunk: str) -> bool:
        body = {"text": chunk, "embedding": [1.0, 2.0]}
        try:
            answer = wire.ask("PUT", f"/v1/libraries/{LIBRARY}/documents/one/chunks/{chunk}", body)
        except Cut as cut:
            # A connection that was idle may be closed as a request sets out; one that was sent may have been accepted.
            if cut.sent:
                self.dropped.append(chunk)
            return False
        if answer.is_done:
            self.acknowledged.append(chunk)
        elif answer.status != 503:
            self.violations.append(f"{chunk} was answered {answer}")
        return answer.is_done


def drain_once(nursery: Nursery, data: Path, chance: random.Random, counts: Counter[str]) -> list[str]:
    """One server, ended under load; what went wrong."""
    server = nursery.start(data)
    server.wait_until_ready()
    with server.wire() as wire:
        wire.demand("PUT", f"/v1/libraries/{LIBRARY}", {"dimension": 2, "metric": "l2"})
        wire.demand("PUT", f"/v1/libraries/{LIBRARY}/documents/one", {"chunks": []})
    writers = [Writer(number) for number in range(WRITERS)]
    threads = [threading.Thread(target=writer.run, args=(server,)) for writer in writers]
    for thread in threads:
        thread.start()
    time.sleep(chance.uniform(0.02, 0.3))
    began = time.monotonic()
    status = server.end()
    seconds = time.monotonic() - began
    for thread in threads:
        thread.join()
    wrong = [violation for writer in writers for violation in writer.violations]
    if status != 0 or seconds > END_WITHIN_SECONDS:
        wrong.append(f"it ended with {status} after {seconds:.1f} s: {server.said[-300:]}")
    acknowledged = {chunk for writer in writers for chunk in writer.acknowledged}
    dropped = {chunk for writer in writers for chunk in writer.dropped}
    there = _chunks(nursery, data)
    wrong += [f"{chunk} was acknowledged and is gone" for chunk in sorted(acknowledged - there)]
    # A request that was cut must not have been accepted: had it been, its effect would be there.
    wrong += [f"{chunk} was written, but its answer was dropped" for chunk in sorted(dropped & there)]
    counts["drains"] += 1
    counts["acknowledged writes"] += len(acknowledged)
    counts["longest end, ms"] = max(counts["longest end, ms"], round(1000 * seconds))
    return wrong


def run(count: int, seed: int, bugs: tuple[str, ...] = (), *, stop_at_violation: bool = False) -> Record:
    """So many servers, each ended under load."""
    started = time.monotonic()
    chance = random.Random(seed)
    counts: Counter[str] = Counter()
    violations: list[str] = []
    with tempfile.TemporaryDirectory(prefix="quire-drain-") as folder, Nursery(bugs) as nursery:
        for number in range(count):
            wrong = drain_once(nursery, Path(folder) / f"data-{number}", chance, counts)
            violations += [f"seed {seed}, drain {number}: {one}" for one in wrong]
            if violations and stop_at_violation:
                break
    command = f"python -m reliability.drain --count {count} --seed {seed}"
    return Record("drain", command, seed, time.monotonic() - started, counts, violations)


def catch(bug: str, seed: int) -> str | None:
    """What the rig says of a planted bug, or None when it does not see it."""
    found = run(DRAINS_TO_SEE, seed, (bug,), stop_at_violation=True)
    return found.violations[0] if found.violations else None


def _chunks(nursery: Nursery, data: Path) -> set[str]:
    server = nursery.start(data)
    server.wait_until_ready()
    with server.wire() as wire:
        lines = wire.demand("GET", f"/v1/libraries/{LIBRARY}/export").lines()
    server.kill()
    return {chunk["id"] for line in lines for chunk in line.get("chunks", [line])}


if __name__ == "__main__":
    sys.exit(run_rig(Rig(run, 10, BUGS, catch), __doc__))
