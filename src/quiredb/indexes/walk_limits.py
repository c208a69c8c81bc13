"""How far a walk goes for a k, an effort and a share of allowed rows, and the memory it takes."""

from __future__ import annotations

from collections import deque
from functools import lru_cache
from math import ceil, sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from quiredb.indexes.kernels.frontier import NOTHING, heap_length
from quiredb.indexes.kernels.graph_search import room_for
from quiredb.indexes.kernels.walk import SEEDS
from quiredb.indexes.kernels.workspace import workspace_length
from quiredb.indexes.shapes import aligned_empty

DEFAULT_EFFORT = 128
RERANKED = 2
"""Rows beyond k (where more: an eighth of k) that may be ranked exactly: 8-bit scores rarely err by more places."""
MASKED_EXPANSIONS = 4096
"""The most rows a masked walk expands; beyond it an exact scan of the matches is the better plan."""
PROBED = 32
"""Rows around the query that are judged by at least, and EXPECTED allowed ones where these are rarer."""
EXPECTED = 10
THINNED = 0.3
"""How much thinner than everywhere allowed rows may be around the query: fewer, and the walk is given up."""
MASKED_SLACK = 16
"""Rows beyond k that a masked walk keeps at least: with fewer, the errors of estimates would end it too early."""

_KEPT = 1024


class Limits(NamedTuple):
    """What `kernels/walk.py` wants to know, in the order of the search kernel's parameters."""

    width: int
    least: int
    reranked: int
    ties: int
    budget: int
    probed: int
    rare: int


def walk_budget(width: int) -> int:
    """How many rows a walk without a mask may expand; it takes a few more than `width`."""
    return 4 * width + 200


def reranked_at_most(k: int) -> int:
    """How many rows may be ranked exactly for the nearest k."""
    return k + max(RERANKED, k // 8)


@lru_cache(maxsize=_KEPT)
def walk_limits(count: int, k: int, effort: int | None, allowed: int | None) -> Limits:
    """The limits of a walk over `count` rows; `allowed` is how many the mask allows, None without a mask."""
    width = min(count, max(k, effort) if effort else max(2 * k, DEFAULT_EFFORT))
    budget, reranked = walk_budget(width), min(count, reranked_at_most(k))
    if allowed is None:
        return Limits(width, width, reranked, k, budget, 0, 0)
    share = max(1, allowed) / count
    least = max(k + MASKED_SLACK, ceil(width * sqrt(share)))  # where fewer are met than everywhere, no fewer will do
    probed = max(PROBED, int(EXPECTED / share))
    return Limits(
        width,
        min(width, least),
        reranked,
        int(2 * k / share),
        max(budget, min(int(2 * width / share), MASKED_EXPANSIONS)),
        probed,
        ceil(THINNED * probed * share),
    )


class ScratchShape(NamedTuple):
    """What the size of a walk's memory goes by, beside its limits."""

    rows: int
    degree: int
    entries: int
    dimension: int
    size: int
    """The rotated dimension."""


class Block(NamedTuple):
    """The memory of one search: the workspace and the heap, both clean, and where it goes when it is free again."""

    memory: NDArray[np.uint64]
    heap: NDArray[np.int64]
    free: deque[Block]


class Room(NamedTuple):
    """Blocks of memory that are large enough for walks up to a width and a budget, and those of them that are free."""

    width: int
    budget: int
    words: int
    keys: int
    free: deque[Block]


class Scratch:
    """The memory of running searches, kept for the next ones. Each search has one block to itself."""

    __slots__ = ("_room", "_shape")

    def __init__(self, shape: ScratchShape) -> None:
        self._shape = shape
        self._room = Room(0, 0, 0, 0, deque())

    def take(self, limits: Limits) -> Block:
        """A clean block that is large enough for a walk with these limits. Append it to its `free` afterwards."""
        room = self._room
        if limits.width > room.width or limits.budget > room.budget:
            room = self._room = self._larger(room, limits)
        try:
            return room.free.pop()
        except IndexError:
            memory: NDArray[np.uint64] = aligned_empty((room.words,), np.uint64)
            memory.fill(0)
            return Block(memory, empty_heap(room.keys), room.free)

    def _larger(self, room: Room, limits: Limits) -> Room:
        """Blocks that were taken from a smaller room go back there, and with it."""
        shape, width, budget = self._shape, max(limits.width, room.width), max(limits.budget, room.budget)
        steps = room_for(shape.degree, shape.entries)
        words = workspace_length(shape.rows, steps, shape.size, shape.dimension, width, reranked_at_most(width))
        keys = heap_length(min(shape.rows, SEEDS + budget * shape.degree))
        return Room(width, budget, words, keys, deque())


def empty_heap(length: int) -> NDArray[np.int64]:
    """A heap without keys, on a cache line."""
    heap: NDArray[np.int64] = aligned_empty((length,), np.int64)
    heap.fill(NOTHING)
    return heap
