"""A number that a rig sets for another process, through a file that both have mapped."""

from __future__ import annotations

import mmap
import os
import struct
from pathlib import Path

SWITCH_VARIABLE = "RELIABILITY_SWITCH"
"""The environment variable that names the file to the process under test."""
_LAYOUT = struct.Struct("<q")


def map_shared(path: str | Path, size: int) -> mmap.mmap:
    """So many bytes that all processes share which map this file; zeros until one is set."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    os.ftruncate(descriptor, size)
    shared = mmap.mmap(descriptor, size)
    os.close(descriptor)
    return shared


class Switch:
    """0 until it is set."""

    def __init__(self, path: str | Path) -> None:
        self._shared = map_shared(path, _LAYOUT.size)

    @property
    def value(self) -> int:
        """What it was set to last."""
        return int(_LAYOUT.unpack_from(self._shared)[0])

    def set(self, value: int) -> None:
        """Set it, for all processes."""
        _LAYOUT.pack_into(self._shared, 0, value)
