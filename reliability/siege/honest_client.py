"""A client that asks what users ask, one thing after the other, and notes how long each answer took."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from reliability.wire import Cut, Wire

DIMENSION = 64


def vector(chance: random.Random) -> list[float]:
    """Any embedding."""
    return [round(chance.gauss(0, 1), 4) for _ in range(DIMENSION)]


@dataclass(slots=True)
class HonestClient:
    """Searches, reads and writes in `library`, which has a document `d`. Reconnects when its connection is closed."""

    wire: Wire
    library: str
    key: str
    chance: random.Random
    wrong: list[str] = field(default_factory=list)

    def ask_until(self, over: Callable[[], bool], pause: float = 0.0) -> list[float]:
        """Ask until it is over, with a pause between requests; the seconds that each answer took, in order."""
        taken = []
        while not over():
            began = time.perf_counter()
            self._ask()
            taken.append(time.perf_counter() - began)
            time.sleep(pause)
        return taken

    def _ask(self) -> None:
        what = self.chance.randrange(4)
        path = f"/v1/libraries/{self.library}"
        name = f"c{self.chance.randrange(100)}"
        if what == 0:
            body = {"text": f"text of {name}", "embedding": vector(self.chance)}
            self._demand("PUT", f"{path}/documents/d/chunks/{name}", body)
        elif what == 1:
            self._demand("POST", f"{path}/count", {})
        else:
            self._demand("POST", f"{path}/search", {"vector": vector(self.chance), "k": 5})

    def _demand(self, method: str, path: str, body: object) -> None:
        try:
            answer = self.wire.ask(method, path, body, {"authorization": f"Bearer {self.key}"})
        except Cut as cut:
            self.wrong.append(f"an honest {method} {path} was cut off: {cut}")
            return
        if not answer.is_done:
            self.wrong.append(f"an honest {method} {path} was answered {answer}")


def worst_percent(taken: list[float]) -> float:
    """The 99th percentile: what all but the worst hundredth of the answers took at most."""
    return sorted(taken)[-1 - len(taken) // 100]
