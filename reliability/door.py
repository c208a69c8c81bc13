"""A hostile world at a server's door: `python -m reliability.door [--count N] [--seed S]`.

`count` slow clients at once: each is sent away within its documented time, while an honest one is served. Large bodies
that are refused cost little and are told little. Secrets taken through every operation lie about nowhere. A key that
asks ten times what it may takes nothing from another. With fewer than 500 clients the server's seconds pass ten times
as fast, and the other parts are shorter too.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from quiredb.domain.keys import KeyDraft
from quiredb.repositories.keys import create_key
from reliability.command_line import Rig, run_rig
from reliability.records import Record
from reliability.servers import Nursery, Server
from reliability.siege.amplification import refuse_all
from reliability.siege.honest_client import DIMENSION, HonestClient, vector, worst_percent
from reliability.siege.neighbours import LIBRARY as QUIET_LIBRARY
from reliability.siege.neighbours import RATE, crowd_out
from reliability.siege.secret_hunt import Hunt
from reliability.siege.slow_clients import Crowd

FULL = 500
CAUGHT_AT = 16
HURRY, QUICK = 10.0, "door.quick_seconds"
_CHUNKS, _TEXT_BYTES = 1_000, 8_000
"""More than the kernel takes of an answer that nobody reads."""
_CALM_SECONDS = 1.5
_SLOWER_TIMES_MAX = 10
_SLOWER_SECONDS_SPARE = 0.5
_MEBIBYTE = 1024 * 1024


@dataclass(slots=True)
class Siege:
    """What is thrown at servers, and what came of it."""

    count: int
    seed: int
    bugs: tuple[str, ...] = ()
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def is_full(self) -> bool:
        """Whether deadlines are sat out and bodies are as large as can be."""
        return self.count >= FULL

    def slow_clients(self) -> Iterator[str]:
        """A crowd of them beside an honest client."""
        bugs = self.bugs if self.is_full else (*self.bugs, QUICK)
        with self._served(bugs, "door", _CHUNKS) as (server, key), server.wire() as wire:
            honest = HonestClient(wire, "door", key, random.Random(self.seed))
            until = time.monotonic() + _CALM_SECONDS
            calm = honest.ask_until(lambda: time.monotonic() > until)
            crowd = Crowd(server.port, key, self.count, 1.0 if self.is_full else HURRY)
            crowd.begin()
            beside = honest.ask_until(crowd.is_over)
            crowd.end()
        self.counts["slow clients"] += self.count
        self.counts["slow clients turned away at once"] += crowd.refused
        for name, seconds in crowd.longest().items():
            self.counts[f"longest of one that {name}, ms"] = round(1000 * seconds)
        self.counts["honest requests"] += len(calm) + len(beside)
        self.counts["honest p99 alone, µs"] = round(1e6 * worst_percent(calm))
        self.counts["honest p99 beside slow clients, µs"] = round(1e6 * worst_percent(beside))
        yield from honest.wrong
        yield from crowd.violations()
        if worst_percent(beside) > _SLOWER_TIMES_MAX * worst_percent(calm) + _SLOWER_SECONDS_SPARE:
            yield f"an honest client waited {worst_percent(beside):.3f} s, alone {worst_percent(calm):.3f}"

    def amplification(self) -> Iterator[str]:
        """Large bodies that are refused."""
        with self._served(self.bugs, "door", 0) as (server, key):
            for size in (800_000, 32 * _MEBIBYTE) if self.is_full else (800_000,):
                yield from refuse_all(server, key, size, self.counts)

    def secrets(self) -> Iterator[str]:
        """Secrets, and the hunt for them."""
        with tempfile.TemporaryDirectory(prefix="quire-door-") as folder:
            hunt = Hunt(Path(folder), random.Random(self.seed), self.counts, self.is_full, self.bugs)
            yield from hunt.run()

    def neighbours(self) -> Iterator[str]:
        """A key beside another that is far too fast."""
        arguments = ("--requests-per-second-max", str(RATE))
        with self._served(self.bugs, QUIET_LIBRARY, 0, arguments) as (server, key):
            noisy = create_key(server.data, KeyDraft("noisy"))[1]
            seconds = 30.0 if self.is_full else 1.5
            yield from crowd_out(server, key, noisy, seconds, random.Random(self.seed), self.counts)

    @contextmanager
    def _served(
        self, bugs: tuple[str, ...], library: str, chunks: int, arguments: tuple[str, ...] = ()
    ) -> Iterator[tuple[Server, str]]:
        """A server with a key, a library and a document `d` of so many large chunks."""
        with tempfile.TemporaryDirectory(prefix="quire-door-") as folder, Nursery(bugs) as nursery:
            data = Path(folder) / "data"
            key = create_key(data, KeyDraft("honest"))[1]
            server = nursery.start(data, arguments)
            server.wait_until_ready()
            headers = {"authorization": f"Bearer {key}"}
            chance = random.Random(self.seed)
            made = [{"text": "x" * _TEXT_BYTES, "embedding": vector(chance)} for _ in range(chunks)]
            with server.wire() as wire:
                wire.demand("PUT", f"/v1/libraries/{library}", {"dimension": DIMENSION}, headers)
                wire.demand("PUT", f"/v1/libraries/{library}/documents/d", {"chunks": made}, headers)
            yield server, key
            server.kill()


Part = Callable[[Siege], Iterator[str]]

PARTS: Mapping[str, Part] = {
    "slow clients": Siege.slow_clients,
    "amplification": Siege.amplification,
    "secrets": Siege.secrets,
    "neighbours": Siege.neighbours,
}
_CAUGHT_BY: Mapping[str, Part] = {
    "door.heads_without_deadline": Siege.slow_clients,
    "door.stay_after_answers": Siege.slow_clients,
    "door.report_every_error": Siege.amplification,
    "door.locate_every_error": Siege.amplification,
    "door.echo_input": Siege.secrets,
    "door.log_input": Siege.secrets,
    "door.log_keys": Siege.secrets,
    "door.any_rate": Siege.neighbours,
}
BUGS = tuple(_CAUGHT_BY)


def run(count: int, seed: int) -> Record:
    """All parts, one after the other."""
    started = time.monotonic()
    siege = Siege(count, seed)
    violations = [f"seed {seed}, {name}: {wrong}" for name, part in PARTS.items() for wrong in part(siege)]
    command = f"python -m reliability.door --count {count} --seed {seed}"
    return Record("door", command, seed, time.monotonic() - started, siege.counts, violations)


def catch(bug: str, seed: int) -> str | None:
    """What the rig says of a planted bug, or None."""
    wrong = list(_CAUGHT_BY[bug](Siege(CAUGHT_AT, seed, (bug,))))
    return wrong[0] if wrong else None


if __name__ == "__main__":
    sys.exit(run_rig(Rig(run, FULL, BUGS, catch), __doc__))
