"""Read your own writes: the last position seen of each library."""

from __future__ import annotations

import threading


class Positions:
    """The highest position this client has seen of each library. Safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._positions: dict[str, int] = {}

    def get(self, library: str) -> int | None:
        """The position a read of this library must have reached."""
        with self._lock:
            return self._positions.get(library)

    def observe(self, library: str, position: int) -> None:
        """Note the position of an answer; it never goes back."""
        with self._lock:
            self._positions[library] = max(position, self._positions.get(library, 0))

    def begin(self, library: str, position: int) -> None:
        """Start from a library just created or replaced, wherever an older one of its name was."""
        with self._lock:
            self._positions[library] = position

    def forget(self, library: str) -> None:
        """Drop what is known, because the library is gone: the next one of its name starts again."""
        with self._lock:
            self._positions.pop(library, None)
