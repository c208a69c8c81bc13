"""Histories of concurrent clients, with a kill in the middle: `python -m reliability.histories [--count N] [--seed S]`.

Six clients put, read, delete, write by ETag and write several chunks at once over HTTP, on a few chunks each; the
server is killed and started again meanwhile. What each was told, and when, must have an order that a plain map explains
(`history/linearizability.py`). A search and a filtered scan are reads of all chunks that they may find, at one moment.
"""

from __future__ import annotations

import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from reliability.command_line import NOT_SEEN, Rig, run_rig
from reliability.history import faults
from reliability.history.clients import GROUPS, LIBRARY, Client
from reliability.history.linearizability import Operation, explain
from reliability.records import Record
from reliability.servers import NotReady, Nursery, Server

CLIENTS = 6
SECONDS_BEFORE_KILL = (0.3, 0.7)
SECONDS_AFTER_KILL = 0.3
PLANTED_HISTORIES = 100
BUGS = ("repositories.serve_old_views", "storage.ignore_conditions", "storage.acknowledge_before_commit")
HISTORIES_TO_SEE = 10


def record_history(nursery: Nursery, folder: Path, seed: int) -> tuple[list[Operation], list[str]]:
    """One history with a kill and a restart in it, and answers that should not have been."""
    chance = random.Random(seed)
    server = nursery.start(folder / f"history-{seed}")
    server.wait_until_ready()
    with server.wire() as wire:
        wire.demand("PUT", f"/v1/libraries/{LIBRARY}", {"dimension": 2, "metric": "l2"})
        for group in range(GROUPS):
            wire.demand("PUT", f"/v1/libraries/{LIBRARY}/documents/g{group}", {"chunks": []})
    serving: list[Server | None] = [server]
    over = threading.Event()
    clients = [Client(number, random.Random(f"{seed} {number}")) for number in range(CLIENTS)]
    threads = [threading.Thread(target=one.run, args=(lambda: _port(serving[0]), over)) for one in clients]
    for thread in threads:
        thread.start()
    try:
        time.sleep(chance.uniform(*SECONDS_BEFORE_KILL))
        server.kill()
        serving[0] = None
        server = nursery.start(folder / f"history-{seed}")
        server.wait_until_ready()
        serving[0] = server
        time.sleep(SECONDS_AFTER_KILL)
    finally:
        over.set()
        for thread in threads:
            thread.join()
        server.kill()
    violations = [violation for client in clients for violation in client.violations]
    return [operation for client in clients for operation in client.operations], violations


def run(count: int, seed: int, bugs: Sequence[str] = (), *, stop_at_violation: bool = False) -> Record:
    """So many histories, each recorded and judged."""
    started = time.monotonic()
    counts: Counter[str] = Counter()
    violations: list[str] = []
    with tempfile.TemporaryDirectory(prefix="quire-histories-") as folder, Nursery(bugs) as nursery:
        for number in range(seed, seed + count):
            try:
                history, wrong = record_history(nursery, Path(folder), number)
            except NotReady as error:
                history, wrong = [], [f"the server did not start: {str(error)[-300:]}"]
            unexplained = explain(history)
            wrong += [unexplained] if unexplained else []
            violations += [f"seed {number}: {one}" for one in wrong]
            counts["histories"] += 1
            counts["operations"] += len(history)
            counts["operations cut by a kill"] += sum(one.took_effect is None for one in history)
            if violations and stop_at_violation:
                break
    command = f"python -m reliability.histories --count {count} --seed {seed}"
    return Record("histories", command, seed, time.monotonic() - started, counts, violations)


def catch(bug: str, seed: int) -> str | None:
    """What the rig says of a planted bug, or None when it does not see it."""
    found = run(HISTORIES_TO_SEE, seed, [bug], stop_at_violation=True)
    return found.violations[0] if found.violations else None


def faults_found(fault: str, seed: int, count: int = PLANTED_HISTORIES) -> int:
    """Of so many right histories with this fault planted, how many the checker refuses. It accepts all without it."""
    found = tried = 0
    while tried < count:
        seed += 1
        history = faults.right_history(seed)
        faulty = faults.FAULTS[fault](history, random.Random(seed))
        if faulty is None:
            continue
        assert explain(history) is None
        found += explain(faulty) is not None
        tried += 1
    return found


def _port(server: Server | None) -> int | None:
    return None if server is None else server.port


def _proofs(seed: int) -> dict[str, str]:
    """The checker alone, on histories with a fault planted."""
    found = {fault: faults_found(fault, seed) for fault in faults.FAULTS}
    return {
        f"{fault} in a history": f"{count} of {PLANTED_HISTORIES} found" if count == PLANTED_HISTORIES else NOT_SEEN
        for fault, count in found.items()
    }


if __name__ == "__main__":
    sys.exit(run_rig(Rig(run, 6, BUGS, catch, _proofs), __doc__))
