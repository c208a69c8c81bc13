"""A wall clock that a rig sets for another process, through a file that both have mapped."""

from __future__ import annotations

import struct
import time
from pathlib import Path

from reliability.switch import map_shared

CLOCK_VARIABLE = "RELIABILITY_CLOCK"
"""The environment variable that names the file to the process under test."""
_LAYOUT = struct.Struct("<qq")
_true_nanoseconds = time.time_ns


class Clock:
    """Nanoseconds since 1970: the true time and an offset, or one instant while the clock stands still."""

    def __init__(self, path: str | Path) -> None:
        self._shared = map_shared(path, _LAYOUT.size)

    def nanoseconds(self) -> int:
        """What the clock shows."""
        offset, standing = _LAYOUT.unpack_from(self._shared)
        return int(standing or _true_nanoseconds() + offset)

    def set(self, offset_seconds: int) -> None:
        """Let it run, this far from the true time."""
        _LAYOUT.pack_into(self._shared, 0, offset_seconds * 1_000_000_000, 0)

    def stop(self) -> None:
        """Let it stand still where it is."""
        _LAYOUT.pack_into(self._shared, 0, 0, self.nanoseconds())
