"""kill -9 at any moment of a server under mixed load: `python -m reliability.kills [--count N] [--seed S]`.

Four writers, one client that makes and removes libraries and one that asks for one index after the other write to a
real `quire serve` until it is killed, 0 to 250 ms later; now and then it is killed while it still starts. The next
server must hold, for each client, what it was told or that plus the one request that was cut, wholly or not at all,
byte for byte; and every count, list and search must equal a recomputation from the export.
"""

from __future__ import annotations

import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from quiredb.storage.check import Severity, check_folder
from reliability.command_line import Rig, run_rig
from reliability.findings import Findings
from reliability.load.answers import judge
from reliability.load.librarian import Indexer, Librarian
from reliability.load.shelves import DIMENSION, Document, Shelf, difference, read_shelf, same
from reliability.load.writers import Writer
from reliability.records import Record
from reliability.servers import NotReady, Nursery, Server
from reliability.wire import Refused, Wire

LIBRARY = "main"
WRITERS = 4
LANES = 2
KILL_WITHIN_SECONDS = 0.25
KILLED_WHILE_STARTING_SHARE = 0.1
_START_SECONDS = 0.5
FENCE_EVERY = 10
"""Cycles between attempts to start a second server on the same folder."""
CHECK_EVERY = 25
RECALL_MIN = 0.9
BUGS = (
    "storage.acknowledge_before_commit",
    "storage.tear_batches",
    "storage.forget_graves",
    "storage.forget_deaths_of_new_segments",
    "storage.skip_lock",
)
"""What the rig must see, each within the cycles of `CYCLES_TO_SEE`. A dropped fsync is not among them: a kill does not
lose what the operating system holds, only a power loss does."""
CYCLES_TO_SEE = 40


class Lane:
    """One data folder, killed again and again."""

    def __init__(self, folder: Path, seed: int, bugs: Sequence[str] = ()) -> None:
        self.findings = Findings(seed)
        self._data = folder / "data"
        self._bugs = bugs
        self._chance = random.Random(seed)
        self._writers = [Writer(number, LIBRARY, seed) for number in range(WRITERS)]
        self._librarian = Librarian(seed, Document("extra", "librarian"))
        self._indexer = Indexer(seed, LIBRARY)
        self._clients: list[Writer | Librarian | Indexer] = [*self._writers, self._librarian, self._indexer]
        self._starts: list[float] = []
        self._hits = [0, 0]

    def run(self, cycles: int, *, stop_at_violation: bool = False) -> Findings:
        """So many kills, then one clean end. The lane's counts and violations."""
        with Nursery(self._bugs) as nursery:
            for cycle in range(cycles + 1):
                server = self._start(nursery, cycle)
                if server is None:
                    break
                self._verify(server, cycle)
                if self.findings.violations and stop_at_violation:
                    break
                if cycle % FENCE_EVERY == 1:
                    self._try_second(nursery, cycle)
                if cycle == cycles:
                    self._end(server)
                    break
                self._load_and_kill(server)
                self.findings.counts["kills"] += 1
                if cycle % CHECK_EVERY == CHECK_EVERY - 1:
                    self._check_files(cycle)
        return self._summary()

    def _start(self, nursery: Nursery, cycle: int) -> Server | None:
        """A server that is ready; some are killed before they are."""
        while True:
            server = nursery.start(self._data)
            if self._chance.random() < KILLED_WHILE_STARTING_SHARE:
                time.sleep(self._chance.random() * _START_SECONDS)
                server.kill()
                self.findings.counts["kills while starting"] += 1
                continue
            try:
                self._starts.append(server.wait_until_ready())
            except NotReady as error:
                self._violation(cycle, f"the server did not start: {str(error)[-300:]}")
                return None
            return server

    def _load_and_kill(self, server: Server) -> None:
        over = threading.Event()
        threads = [threading.Thread(target=_run, args=(client.run, server, over)) for client in self._clients]
        for thread in threads:
            thread.start()
        time.sleep(self._chance.random() * KILL_WITHIN_SECONDS)
        server.kill()
        over.set()
        for thread in threads:
            thread.join()
        for violations in (client.violations for client in self._clients):
            self.findings.violations += violations
            violations.clear()

    def _verify(self, server: Server, cycle: int) -> None:
        with server.wire() as wire:
            if cycle == 0:
                wire.demand("PUT", f"/v1/libraries/{LIBRARY}", {"dimension": DIMENSION, "metric": "l2"})
            self._judge(wire, cycle)

    def _judge(self, wire: Wire, cycle: int) -> None:
        try:
            shelf = self._compare_exports(wire, cycle)
            tally = judge(wire, LIBRARY, shelf, self._chance)
        except Refused as error:
            self._violation(cycle, str(error))
            return
        self._hits[0] += tally.true_hits
        self._hits[1] += tally.hits
        self.findings.counts["answers compared"] += tally.exact
        for complaint in tally.wrong:
            self._violation(cycle, complaint)

    def _compare_exports(self, wire: Wire, cycle: int) -> Shelf:
        """Everything that is there against what clients were told; returns what the main library holds."""
        for writer in self._writers:
            writer.repeat(wire)
        names = [item["id"] for item in wire.demand("GET", "/v1/libraries").json()["items"]]
        exports = {name: _export(wire, name) for name in names}
        shelf, wrong = read_shelf(exports.pop(LIBRARY, []))
        for complaint in (*wrong, *self._librarian.check(exports), *self._compare(shelf)):
            self._violation(cycle, complaint)
        return shelf

    def _compare(self, shelf: Shelf) -> list[str]:
        """Each writer's part of the main library against what it was told."""
        wrong = []
        for writer in self._writers:
            mine = {name: document for name, document in shelf.items() if document.source == writer.name}
            if not any(same(candidate, mine) for candidate in writer.candidates()):
                cut = writer.undecided.what if writer.undecided else "nothing"
                wrong.append(f"{writer.name} ({cut} was cut): {difference(writer.shelf, mine)}")
            writer.decide(mine)
        strangers = {document.source for document in shelf.values()} - {writer.name for writer in self._writers}
        return [*wrong, *(f"documents of {one!r} should not be there" for one in strangers)]

    def _try_second(self, nursery: Nursery, cycle: int) -> None:
        """While one server has the folder, a second one must end by itself and say why."""
        second = nursery.start(self._data.parent / "second", ["--data", str(self._data)])
        try:
            second.wait_until_ready()
            self._violation(cycle, "a second server serves the folder")
            second.kill()
        except NotReady:
            if second.status() == 0 or "is in use by process" not in second.said:
                self._violation(cycle, f"a second server ended unclearly: {second.said[-300:]}")
        self.findings.counts["second servers refused"] += 1

    def _end(self, server: Server) -> None:
        status = server.end()
        if status != 0:
            self._violation(-1, f"the last server ended with {status}: {server.said[-300:]}")
        self._check_files(-1)

    def _check_files(self, cycle: int) -> None:
        self.findings.counts["folder checks"] += 1
        # A kill may leave segment files that nobody lists, and folders of libraries half made; they are named, and go.
        for finding in check_folder(self._data):
            if finding.severity is Severity.ERROR:
                self._violation(cycle, f"quire check: {finding}")

    def _violation(self, cycle: int, what: str) -> None:
        self.findings.violation(f"cycle {cycle}: {what}")

    def _summary(self) -> Findings:
        counts = self.findings.counts
        for writer in self._writers:
            counts["acknowledged writes"] += sum(writer.acknowledged.values())
        counts["libraries made or removed"] += self._librarian.acknowledged
        counts["index builds begun"] += self._indexer.builds
        counts["slowest start, ms"] = round(1000 * max(self._starts, default=0))
        if self._hits[0] < RECALL_MIN * self._hits[1]:
            self._violation(-1, f"of {self._hits[1]} approximate hits only {self._hits[0]} are among the best")
        return self.findings


def _run(run: Callable[[Wire, threading.Event], None], server: Server, over: threading.Event) -> None:
    with server.wire() as wire:
        run(wire, over)


def _export(wire: Wire, library: str) -> list[Any]:
    return wire.demand("GET", f"/v1/libraries/{library}/export").lines()


def run_lane(seed: int, cycles: int, bugs: Sequence[str] = (), *, stop_at_violation: bool = False) -> Findings:
    """One lane in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="quire-kills-") as folder:
        return Lane(Path(folder), seed, bugs).run(cycles, stop_at_violation=stop_at_violation)


def run(count: int, seed: int, lanes: int = LANES) -> Record:
    """`count` kills over so many lanes at once."""
    started = time.monotonic()
    found = Findings(seed)
    with ProcessPoolExecutor(lanes, get_context("spawn")) as pool:
        shares = [count // lanes + (lane < count % lanes) for lane in range(lanes)]
        pending = [pool.submit(run_lane, seed + lane, share) for lane, share in enumerate(shares)]
        for future in pending:
            found.add(future.result())
    command = f"python -m reliability.kills --count {count} --seed {seed}"
    return Record("kills", command, seed, time.monotonic() - started, found.counts, found.violations)


def catch(bug: str, seed: int) -> str | None:
    """What the rig says of a planted bug, or None when it does not see it."""
    found = run_lane(seed, CYCLES_TO_SEE, [bug], stop_at_violation=True)
    return found.violations[0] if found.violations else None


if __name__ == "__main__":
    sys.exit(run_rig(Rig(run, 200, BUGS, catch), __doc__))
