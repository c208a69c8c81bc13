"""The allocation of an array fails: `python -m reliability.allocations [--count N] [--seed S]`.

Each kind of request is sent again and again, and each time a later one of the arrays that the server makes for it is
not to be had (`count` of them at most for each kind). The answer must be the one for want of memory, or a success where
only background work was hit; the next request must be answered as if nothing had been, and show what was acknowledged.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reliability.command_line import Rig, run_rig
from reliability.records import Record
from reliability.servers import Nursery
from reliability.switch import SWITCH_VARIABLE, Switch
from reliability.wire import Cut, Refused, Wire

BUGS = ("troubles.call_no_memory_a_bug",)
_LIBRARY = "/v1/libraries/arrays"
_DIMENSION = 4
_NEW = f"{_LIBRARY}/documents/new"
_WRITTEN, _DELETED = "document written", "document deleted"
_ROWS = 40
_VECTOR = [1.0, 2.0, 3.0, 4.0]
_FILTER = {"page": {"gte": 3}}


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of request."""

    method: str
    path: str
    body: Any = None


def _chunk(number: int) -> dict[str, Any]:
    return {"id": f"c{number}", "text": "t", "embedding": [float(number), 1.0, 2.0, 3.0], "metadata": {"page": number}}


KINDS: Mapping[str, Kind] = {
    "search": Kind("POST", f"{_LIBRARY}/search", {"vector": _VECTOR, "k": 5}),
    "filtered search": Kind("POST", f"{_LIBRARY}/search", {"vector": _VECTOR, "k": 5, "filter": _FILTER}),
    "batch of searches": Kind(
        "POST", f"{_LIBRARY}/search/batch", {"searches": [{"vector": _VECTOR, "k": 5}, {"vector": _VECTOR, "k": 5}]}
    ),
    "count": Kind("POST", f"{_LIBRARY}/count", {"filter": _FILTER}),
    "export": Kind("GET", f"{_LIBRARY}/export"),
    "read": Kind("GET", f"{_LIBRARY}/chunks/c1"),
    "facts": Kind("GET", f"{_LIBRARY}/stats"),
    _WRITTEN: Kind("PUT", _NEW, {"chunks": [_chunk(number) for number in range(50, 60)]}),
    _DELETED: Kind("DELETE", _NEW),
}


class Trial:
    """One server, and the requests that it does not find memory for."""

    def __init__(self, wire: Wire, switch: Switch) -> None:
        self.counts: Counter[str] = Counter()
        self.violations: list[str] = []
        self._wire, self._switch = wire, switch

    def run(self, count: int) -> None:
        """All kinds, `count` allocations each at most."""
        self._wire.demand("PUT", _LIBRARY, {"dimension": _DIMENSION})
        chunks = [_chunk(number) for number in range(_ROWS)]
        self._wire.demand("PUT", f"{_LIBRARY}/documents/old", {"chunks": chunks})
        for name, kind in KINDS.items():
            for number in range(1, count + 1):
                if not self._fail(name, kind, number):
                    break

    def _fail(self, name: str, kind: Kind, number: int) -> bool:
        """Let allocation `number` of the request fail; whether there was one."""
        if name == _DELETED:
            self._wire.demand("PUT", _NEW, KINDS[_WRITTEN].body)
        before = self._shown()
        self._switch.set(number)
        answer = self._wire.ask(kind.method, kind.path, kind.body)
        failed = self._switch.value == 0
        self._switch.set(0)
        self.counts["failed allocations"] += failed
        self.counts["answers 503"] += answer.status == 503
        if not answer.is_done and not (failed and answer.status == 503):
            self.violations.append(f"{name}: without memory for array {number} it was answered {answer}")
        if not answer.is_done and (after := self._shown()) != before:
            self.violations.append(f"{name}: refused for want of array {number}, and {before} became {after}")
        again = self._wire.ask(kind.method, kind.path, kind.body)
        if not again.is_done and not (name == _DELETED and again.status == 404):
            self.violations.append(f"{name}: after want of array {number} it was answered {again}")
        if name == _WRITTEN:
            self._wire.demand("DELETE", _NEW)
        return failed

    def _shown(self) -> tuple[object, ...]:
        """What searches, counts and the export say is there."""
        found = self._wire.demand("POST", f"{_LIBRARY}/search", {"vector": _VECTOR, "k": 100, "exact": True}).json()
        counted = self._wire.demand("POST", f"{_LIBRARY}/count", {"filter": _FILTER}).json()["count"]
        exported = self._wire.demand("GET", f"{_LIBRARY}/export").lines()
        return tuple(sorted(hit["id"] for hit in found["hits"])), counted, len(exported)


def try_all(count: int, bugs: Sequence[str] = ()) -> Trial:
    """A server of its own, and everything."""
    with tempfile.TemporaryDirectory(prefix="quire-arrays-") as name:
        folder = Path(name)
        switch = Switch(folder / "switch")
        told = {SWITCH_VARIABLE: str(folder / "switch")}
        with Nursery(["troubles.fail_allocation_by_switch", *bugs], told) as nursery:
            server = nursery.start(folder / "data")
            server.wait_until_ready()
            with server.wire() as wire:
                trial = Trial(wire, switch)
                try:
                    trial.run(count)
                except (Cut, Refused) as error:
                    trial.violations.append(str(error))
            trial.violations += server.complaints_at_end()
    return trial


def run(count: int, seed: int) -> Record:
    """A record of so many failed allocations for each kind of request, at most."""
    started = time.monotonic()
    trial = try_all(count)
    command = f"python -m reliability.allocations --count {count} --seed {seed}"
    counts = {"kinds of requests": len(KINDS), **trial.counts}
    return Record("allocations", command, seed, time.monotonic() - started, counts, trial.violations)


def catch(bug: str, _seed: int) -> str | None:
    """What the rig says of a planted bug, or None."""
    violations = try_all(2, [bug]).violations
    return violations[0] if violations else None


if __name__ == "__main__":
    sys.exit(run_rig(Rig(run, 200, BUGS, catch), __doc__))
