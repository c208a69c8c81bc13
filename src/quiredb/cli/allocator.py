"""How the server's process takes memory from the system and gives it back."""

import ctypes
import gc
import sys

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_LARGE_BYTES = 256 * 1024
_TRIM_BYTES = 1024 * 1024
_ARENAS = 2
_NEW_OBJECTS = 10_000


def return_memory_early() -> bool:
    """Tell glibc to give large blocks back as soon as they are freed; True where that could be said.

    Left to itself, glibc raises its threshold for separate mappings up to 32 MiB once a block of that size was freed.
    The arrays of a build then come from the heap, and their memory stays with the process when the build is over. It
    also gives many threads heaps of their own, each with its own gaps.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    wishes = ((_M_MMAP_THRESHOLD, _LARGE_BYTES), (_M_TRIM_THRESHOLD, _TRIM_BYTES), (_M_ARENA_MAX, _ARENAS))
    heard = [bool(mallopt(name, value)) for name, value in wishes]
    return all(heard)


def look_for_cycles_seldom() -> None:
    """Let Python look for garbage in cycles after 10,000 new objects, not 700.

    A batch of an import is some ten thousand objects that live for a moment and form no cycles: searched so often,
    they are copied to the oldest generation, and looking through that took a sixth of an import's time.
    """
    gc.set_threshold(_NEW_OBJECTS)
