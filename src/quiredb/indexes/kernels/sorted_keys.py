"""Short sorted arrays of the keys of `frontier.py`, by pointer: the best rows of a walk."""

from __future__ import annotations

from typing import Any

from quiredb.indexes.kernels.frontier import score_of
from quiredb.indexes.kernels.registry import helper


@helper
def sort_in(keys: Any, size: int, key: int) -> None:
    """Put a key into its place among the sorted keys[:size]."""
    place = size
    while place > 0 and keys[place - 1] > key:
        keys[place] = keys[place - 1]
        place -= 1
    keys[place] = key


@helper
def keep(best: Any, kept: int, width: int, key: int) -> int:
    """Put a key among the sorted best[:kept], the `width` least of all; returns how many are kept."""
    if kept == width and key >= best[width - 1]:
        return kept
    sort_in(best, min(kept, width - 1), key)
    return min(kept + 1, width)


@helper
def is_copy(best: Any, kept: int, score: Any, ties: int) -> bool:
    """Whether `ties` rows of this score are among the best already."""
    place = kept
    while place > 0 and score_of(best[place - 1]) > score:
        place -= 1
    return place >= ties and score_of(best[place - ties]) == score
