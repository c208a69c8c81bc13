"""Two keys of one server: one asks far more than it may, and the other must not notice."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from reliability.servers import Server
from reliability.siege.honest_client import HonestClient, worst_percent

RATE = 40
"""Requests that a key may send in a second."""
TIMES_TOO_FAST = 10
LIBRARY = "quiet"
_NOISY_THREADS = 4
_QUIET_PAUSE_SECONDS = 2 / RATE
_SLOWER_TIMES_MAX = 4
_SLOWER_SECONDS_SPARE = 0.1
"""The machine is busy with other things, and one processor does the work of all."""


@dataclass(slots=True)
class Noise:
    """What one key sends and is answered while it lasts, ten times what it may."""

    server: Server
    key: str
    statuses: Counter[int] = field(default_factory=Counter)
    unexplained: int = 0
    _over: threading.Event = field(default_factory=threading.Event)

    def run(self, seconds: float, honest: HonestClient) -> list[float]:
        """Make noise for so long; how long the answers to the honest client took meanwhile."""
        threads = [threading.Thread(target=self._send) for _ in range(_NOISY_THREADS)]
        for thread in threads:
            thread.start()
        taken = _ask_for(seconds, honest)
        self._over.set()
        for thread in threads:
            thread.join()
        return taken

    def _send(self) -> None:
        pause = _NOISY_THREADS / (RATE * TIMES_TOO_FAST)
        due = time.monotonic()
        with self.server.wire() as wire:
            while not self._over.is_set():
                answer = wire.ask("GET", "/v1/libraries", headers={"authorization": f"Bearer {self.key}"})
                self.statuses[answer.status] += 1
                self.unexplained += answer.status == 429 and "retry-after" not in answer.headers
                due += pause
                time.sleep(max(0.0, due - time.monotonic()))


def crowd_out(
    server: Server, quiet: str, noisy: str, seconds: float, chance: random.Random, counts: Counter[str]
) -> Iterator[str]:
    """Measure one key alone and beside a noisy one, so many seconds each; what is wrong. `LIBRARY` is there."""
    noise = Noise(server, noisy)
    with server.wire() as wire:
        honest = HonestClient(wire, LIBRARY, quiet, chance)
        alone = _ask_for(seconds, honest)
        began = time.monotonic()
        beside = noise.run(seconds, honest)
        lasted = time.monotonic() - began
    counts["requests of a noisy key"] += noise.statuses.total()
    counts["of them refused"] += noise.statuses[429]
    counts["quiet requests"] += len(alone) + len(beside)
    counts["quiet p99 alone, µs"] = round(1e6 * worst_percent(alone))
    counts["quiet p99 beside noise, µs"] = round(1e6 * worst_percent(beside))
    yield from honest.wrong
    # What may pass: what is in a full bucket, twice the rate, and what flows into it meanwhile.
    allowed = RATE * (lasted + 2) + 1
    if noise.statuses[200] > allowed:
        yield f"{noise.statuses[200]} requests of a key passed in {lasted:.1f} s, of which {allowed:.0f} may"
    if not noise.statuses[429] or noise.statuses.keys() - {200, 429}:
        yield f"too many requests of a key were answered {dict(noise.statuses)}"
    if noise.unexplained:
        yield f"{noise.unexplained} answers 429 do not say when to come again"
    if worst_percent(beside) > _SLOWER_TIMES_MAX * worst_percent(alone) + _SLOWER_SECONDS_SPARE:
        yield f"beside a noisy key the quiet one waited {worst_percent(beside):.3f} s, alone {worst_percent(alone):.3f}"


def _ask_for(seconds: float, honest: HonestClient) -> list[float]:
    until = time.monotonic() + seconds
    return honest.ask_until(lambda: time.monotonic() > until, _QUIET_PAUSE_SECONDS)
