"""The wall clock jumps while a server works: `python -m reliability.clocks [--count N] [--seed S]`.

`count` times the clock goes a day or twenty years forward or back, a little back, stands still, or is right again,
while clients write. Order must come from positions, identifiers must be unique, idempotency keys must be remembered for
24 hours of the clock and API keys must expire by it; nothing may wait longer, give up earlier or measure less than
nothing for it. Now and then the server is started anew, and all that clients were told must be there.
"""

from __future__ import annotations

import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

from quiredb.domain.keys import KeyDraft
from quiredb.domain.limits import IDEMPOTENCY_HOURS
from quiredb.repositories.keys import create_key
from quiredb.storage.audit_log import verify_audit_log
from reliability.command_line import Rig, run_rig
from reliability.load.shelves import DIMENSION, difference, read_shelf, same
from reliability.load.writers import Writer
from reliability.records import Record
from reliability.servers import NotReady, Nursery, Server
from reliability.wall_clock import CLOCK_VARIABLE, Clock
from reliability.watched_wire import Seen, WatchedWire
from reliability.wire import Cut, Refused

BUGS = ("clock.order_by_clock", "clock.identify_by_clock", "clock.measure_by_wall_clock", "clock.wait_by_wall_clock")
JUMPS_TO_SEE = 14
WRITERS = 2
_HOUR, _DAY = 3_600, 86_400
_OFFSETS = (_DAY, -_DAY, 20 * 365 * _DAY, -20 * 365 * _DAY, -_HOUR, 0)
_STILL = "still"
_RESTART_EVERY = 7
_LOAD_SECONDS = 0.15
_WITHIN_SECONDS = 20.0
_KEY_LASTS = timedelta(hours=2)
_LIBRARY = "/v1/libraries/clocks"


class Lane:
    """One data folder, its clients, and a server whose clock jumps."""

    def __init__(self, folder: Path, seed: int, nursery: Nursery, clock: Clock) -> None:
        self.counts: Counter[str] = Counter()
        self.violations: list[str] = []
        self._data = folder / "data"
        self._seed, self._chance = seed, random.Random(seed)
        self._nursery, self._clock = nursery, clock
        self._seen = Seen()
        self._writers = [Writer(number, "clocks", seed) for number in range(WRITERS)]
        self._expires = datetime.now(UTC) + _KEY_LASTS
        self._key = self._headers(KeyDraft("all"))
        self._short = self._headers(KeyDraft("short", expires_at=self._expires))
        self._denied = 0

    def run(self, jumps: int) -> None:
        """So many jumps; what was counted and found is kept."""
        kinds: list[int | str] = [*_OFFSETS, _STILL]
        done = 0
        while done < jumps and not self.violations:
            server = self._nursery.start(self._data)
            server.wait_until_ready()
            self._chance.shuffle(kinds)
            part = kinds[: min(_RESTART_EVERY, jumps - done)]
            self._serve(server, part, is_first=done == 0)
            done += len(part)
            self.counts["jumps"] += len(part)
            for complaint in server.complaints_at_end():
                self._complain(complaint)
            self.counts["starts under another clock"] += 1
        self._judge_audit()
        self.counts["operations"] = sum(sum(writer.acknowledged.values()) for writer in self._writers)
        self.counts["identifiers"] = len(self._seen.identifiers)
        self.violations += self._seen.violations

    def _serve(self, server: Server, kinds: Sequence[int | str], *, is_first: bool) -> None:
        with ExitStack() as stack:
            wire = stack.enter_context(WatchedWire(server.port, self._key, self._seen))
            if is_first:
                wire.demand("PUT", _LIBRARY, {"dimension": DIMENSION, "metric": "l2"})
                wire.demand("PUT", f"{_LIBRARY}/documents/keyed", {"metadata": {"title": "t", "source": "keyed"}})
            over = threading.Event()
            threads = [threading.Thread(target=self._write, args=(writer, server, over)) for writer in self._writers]
            for thread in threads:
                thread.start()
            try:
                for kind in kinds:
                    self._jump(server, wire, kind)
            finally:
                over.set()
                for thread in threads:
                    thread.join()
            self._compare(wire)

    def _write(self, writer: Writer, server: Server, over: threading.Event) -> None:
        with WatchedWire(server.port, self._key, self._seen) as wire:
            writer.run(wire, over)
        if writer.undecided is not None:
            self._complain(f"the connection of {writer.name} broke in {writer.undecided.what}")

    def _jump(self, server: Server, wire: WatchedWire, kind: int | str) -> None:
        """One jump, and what may and may not follow from it."""
        request = ("POST", f"{_LIBRARY}/documents/keyed/chunks", {"text": "t", "embedding": [1.0] * DIMENSION})
        token = {"idempotency-key": f"jump-{self._chance.getrandbits(60)}"}
        before = self._measures(wire)
        sent_at = self._clock.nanoseconds()
        wire.demand(*request, token)
        if isinstance(kind, str):
            self._clock.stop()
        else:
            self._clock.set(kind)
        time.sleep(_LOAD_SECONDS)
        passed = (self._clock.nanoseconds() - sent_at) / 1e9
        replayed = "idempotency-replayed" in wire.demand(*request, token).headers
        if replayed != (passed < IDEMPOTENCY_HOURS * _HOUR):
            self._complain(f"after {passed:.0f} s of the clock a repeat was {'' if replayed else 'not '}recognized")
        self.counts["repeats"] += 1
        self._judge_keys(server)
        self._judge_durations(wire, before)
        self._judge_work(wire, kind)

    def _judge_keys(self, server: Server) -> None:
        """A key with an end counts while the clock is before it."""
        is_over = self._clock.nanoseconds() / 1e9 >= self._expires.timestamp()
        with WatchedWire(server.port, self._short, self._seen) as wire:
            status = wire.ask("GET", "/v1/libraries").status
        if status != (401 if is_over else 200):
            self._complain(f"a key that has {'' if is_over else 'not '}expired by the clock was answered {status}")
        self._denied += is_over

    def _judge_durations(self, wire: WatchedWire, before: Mapping[str, float]) -> None:
        found = wire.demand("POST", f"{_LIBRARY}/search", {"vector": [1.0] * DIMENSION, "k": 3}).json()
        if not 0 <= found["took_ms"] < 1_000 * _WITHIN_SECONDS:
            self._complain(f"a search took {found['took_ms']} ms")
        now = self._measures(wire)
        fallen = [name for name, value in before.items() if now.get(name, 0.0) < value or value < 0]
        if fallen:
            self._complain(f"{fallen[0]} was {before[fallen[0]]}, and then {now.get(fallen[0])}")

    def _judge_work(self, wire: WatchedWire, kind: int | str) -> None:
        """Background work is done, and the server says that it is well."""
        job = wire.demand("PUT", f"{_LIBRARY}/index", {"kind": "flat"}).json()
        deadline = time.monotonic() + _WITHIN_SECONDS
        while job["state"] in {"queued", "running"} and time.monotonic() < deadline:
            time.sleep(0.01)
            job = wire.demand("GET", f"/v1/jobs/{job['id']}").json()
            if job["eta"] is not None and job["eta"] < 0:
                self._complain(f"a job has {job['eta']} s left")
        if job["state"] != "succeeded":
            self._complain(f"a job is still {job['state']} after {_WITHIN_SECONDS} s")
        ready = wire.ask("GET", "/readyz")
        if ready.status != 200:
            self._complain(f"/readyz says {ready}")
        self.counts["jobs done"] += 1
        self.counts["clock stood still" if isinstance(kind, str) else "clock was set"] += 1

    @staticmethod
    def _measures(wire: WatchedWire) -> dict[str, float]:
        """Everything of /metrics that may only grow."""
        lines = wire.demand("GET", "/metrics").body.decode().splitlines()
        pairs = (line.rpartition(" ") for line in lines if not line.startswith("#"))
        grows = ("_total", "_sum", "_count", "_bucket")
        return {name: float(value) for name, _, value in pairs if name.partition("{")[0].endswith(grows)}

    def _compare(self, wire: WatchedWire) -> None:
        """All that clients were told against what is there; every position was taken once."""
        shelf, wrong = read_shelf(wire.demand("GET", f"{_LIBRARY}/export").lines())
        self.violations += wrong
        for writer in self._writers:
            self.violations += writer.violations
            mine = {name: document for name, document in shelf.items() if document.source == writer.name}
            if not same(writer.shelf, mine):
                self._complain(f"{writer.name}: {difference(writer.shelf, mine)}")
        position = wire.demand("GET", _LIBRARY).json()["position"]
        told, untold = len(self._seen.positions), self._seen.untold
        if not told <= position + 1 <= told + untold:
            self._complain(f"the library is at {position} after {told} writes, or {untold} more; the first is 0")

    def _judge_audit(self) -> None:
        report = verify_audit_log(self._data / "audit.jsonl")
        if report.broken is not None or report.lines < self._denied:
            self._complain(f"{self._denied} requests were denied; the audit log: {report}")
        self.counts["audit lines"] = report.lines

    def _headers(self, draft: KeyDraft) -> dict[str, str]:
        return {"authorization": f"Bearer {create_key(self._data, draft)[1]}"}

    def _complain(self, what: str) -> None:
        self.violations.append(f"seed {self._seed}: {what}")


def run_lane(seed: int, jumps: int, bugs: Sequence[str] = ()) -> Lane:
    """One folder and its jumps. A server that gives up is a violation too."""
    with tempfile.TemporaryDirectory(prefix="quire-clocks-") as name:
        folder = Path(name)
        clock = Clock(folder / "clock")
        with Nursery(["clock.follow", *bugs], {CLOCK_VARIABLE: str(folder / "clock")}) as nursery:
            lane = Lane(folder, seed, nursery, clock)
            try:
                lane.run(jumps)
            except (Cut, Refused, NotReady) as error:
                lane.violations.append(f"seed {seed}: {error}")
    return lane


def run(count: int, seed: int) -> Record:
    """A record of so many jumps."""
    started = time.monotonic()
    lane = run_lane(seed, count)
    command = f"python -m reliability.clocks --count {count} --seed {seed}"
    return Record("clocks", command, seed, time.monotonic() - started, lane.counts, lane.violations)


def catch(bug: str, seed: int) -> str | None:
    """What the rig says of a planted bug, or None."""
    violations = run_lane(seed, JUMPS_TO_SEE, [bug]).violations
    return violations[0] if violations else None


if __name__ == "__main__":
    sys.exit(run_rig(Rig(run, 70, BUGS, catch), __doc__))
