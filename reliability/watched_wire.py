"""A client that notes the identifiers and positions of all answers, over any number of connections."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from reliability.wire import Answer, Wire


class Seen:
    """What all connections of a rig saw. Thread-safe."""

    def __init__(self) -> None:
        self.identifiers: set[str] = set()
        self.positions: set[int] = set()
        self.violations: list[str] = []
        self.untold = 0
        """Writes whose answers tell the newest position instead of their own, if they took one."""
        self._lock = threading.Lock()

    def identifier(self, one: str) -> None:
        """An identifier that the server made: it must be a new one."""
        with self._lock:
            if one in self.identifiers:
                self.violations.append(f"the server made the identifier {one} twice")
            self.identifiers.add(one)

    def no_position(self) -> None:
        """A write may have taken a position, and was not told which."""
        with self._lock:
            self.untold += 1

    def position(self, one: int, what: str) -> None:
        """The position that a write was given: nobody else has it."""
        with self._lock:
            if one in self.positions:
                self.violations.append(f"{what} has the position {one} of another write")
            self.positions.add(one)


class WatchedWire(Wire):
    """One connection with an API key, whose own writes must be in order."""

    def __init__(self, port: int, key: Mapping[str, str], seen: Seen) -> None:
        super().__init__(port)
        self._key, self._seen = key, seen
        self._last = -1

    def ask(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        """As any client, and look at what the answer says of identifiers and order."""
        answer = super().ask(method, path, body, {**self._key, **(headers or {})})
        self._seen.identifier(answer.headers["x-request-id"])
        if not answer.is_done or "x-quire-position" not in answer.headers:
            return answer
        position = int(answer.headers["x-quire-position"])
        is_replay = "idempotency-replayed" in answer.headers
        if position < self._last and not is_replay:
            self._seen.violations.append(f"{method} {path} has the position {position} after {self._last}")
        is_write = method != "GET" and not path.endswith(("/search", "/count"))
        if is_write and path.endswith("/index"):
            self._seen.no_position()
        elif is_write and not is_replay:
            self._seen.position(position, f"{method} {path}")
            if method == "POST" and path.endswith(("/chunks", "/documents")):
                self._seen.identifier(answer.json()["id"])
        self._last = max(self._last, position) if not is_replay else self._last
        return answer
