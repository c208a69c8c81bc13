"""One block of memory for all that a graph search writes: a dozen small allocations would cost a microsecond a search.

The block is uint64 words. It is dealt out in whole cache lines: what was counted, the bits of rows seen, the rest of a
walk's scratch, the workspace. The bits must be zero at the start, and a walk leaves them so.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba.extending import register_jitable

from quiredb.indexes.kernels.pointers import float32_pointer, int32_pointer, int64_pointer, uint64_pointer
from quiredb.indexes.kernels.registry import helper
from quiredb.indexes.kernels.score_limit import BINS
from quiredb.indexes.kernels.scoring import Scratch
from quiredb.indexes.kernels.sign_dots import planes_length

_LINE_WORDS = 8
_SMALL = 16
"""Words of what is counted, the seeds and the picks."""


@register_jitable
def words_for(count: int, size: int) -> int:
    """The 64-bit words of `count` things of `size` bits, in whole cache lines."""
    return (count * size + 511) // 512 * _LINE_WORDS


@register_jitable
def scratch_length(count: int, room: int) -> int:
    """Words for walks over `count` rows that look at up to `room` of them at a time."""
    return _SMALL + words_for(count, 1) + 2 * words_for(BINS, 32) + 3 * words_for(room, 32)


@register_jitable
def workspace_length(count: int, room: int, size: int, dimension: int, width: int, reranked: int) -> int:
    """Words for searches that keep `width` rows; `size` is the rotated dimension."""
    coded = words_for(size, 32) + words_for(planes_length(size), 8) + words_for(size, 8) + words_for(dimension, 64)
    kept = max(width, reranked) + 1
    return scratch_length(count, room) + coded + words_for(kept, 64) + words_for(reranked, 64)


class Workspace(NamedTuple):
    """What a search needs beside the scratch of its walk: the query in its codings, the best keys, and the rows that
    are ranked exactly.
    """

    z: Any
    planes: Any
    code: Any
    wide: Any
    best: Any
    nearest: Any


@helper
def make_scratch(memory: Any, heap: Any, count: int, room: int) -> Any:
    """The scratch at the beginning of a block, as pointers into it: the caller holds memory and heap."""
    at = _SMALL + words_for(count, 1)
    steps, rows = words_for(BINS, 32), words_for(room, 32)
    start = memory.ctypes.data
    histogram, latest = start + 8 * at, start + 8 * (at + steps)
    fresh = latest + 8 * steps
    dots, estimates = fresh + 8 * rows, fresh + 16 * rows
    return Scratch(
        uint64_pointer(start + 8 * _SMALL),
        int64_pointer(heap.ctypes.data),
        int32_pointer(histogram),
        float32_pointer(latest),
        int32_pointer(fresh),
        int32_pointer(dots),
        float32_pointer(estimates),
        int64_pointer(start),
        int64_pointer(start + 8 * 8),
        int64_pointer(start + 8 * 12),
    )


@helper
def make_workspace(memory: Any, size: int, dimension: int, width: int, reranked: int) -> Any:
    """The workspace in the memory behind the scratch, which the caller holds."""
    floats, codes, wides = words_for(size, 32), words_for(size, 8), words_for(dimension, 64)
    signs, at, keys = words_for(planes_length(size), 8), floats, max(width, reranked) + 1
    z = float32_pointer(memory.ctypes.data)
    planes = memory.ctypes.data + 8 * at
    at += signs
    code = memory.ctypes.data + 8 * at
    at += codes
    wide = memory[at : at + wides].view(np.float64)[:dimension]
    at += wides
    best = int64_pointer(memory.ctypes.data + 8 * at)
    at += words_for(keys, 64)
    return Workspace(z, planes, code, wide, best, memory[at : at + reranked].view(np.int64))
