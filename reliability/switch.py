"""A number that a rig sets for another process, through a file that both have mapped."""

from __future__ import annotations

import mmap
import os
import struct
from pathlib import Path

SWITCH_VARIABLE = "RELIABILITY_SWITCH"
"""The environment variable that names the file to the process under test."""
_LAYOUT = struct.Struct("<q")


class Switch:
    """0 until it is set."""

    def __init__(self, path: str | Path) -> None:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        os.ftruncate(descriptor, _LAYOUT.size)
        self._shared = mmap.mmap(descriptor, _LAYOUT.size)
        os.close(descriptor)

    @property
    def value(self) -> int:
        """What it was set to last."""
        return int(_LAYOUT.unpack_from(self._shared)[0])

    def set(self, value: int) -> None:
        """Set it, for all processes."""
        _LAYOUT.pack_into(self._shared, 0, value)
