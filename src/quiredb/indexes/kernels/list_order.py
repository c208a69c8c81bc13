"""Lists in the order of their keys, found as far as they are asked for: a binary heap."""

from __future__ import annotations

from typing import Any

from quiredb.indexes.kernels.registry import helper


@helper
def sift_down(keys: Any, lists: Any, at: int, size: int) -> None:
    """Let the entry at `at` sink below its smaller children. Equal keys are ordered by list."""
    key, own = keys[at], lists[at]
    while True:
        child = 2 * at + 1
        if child >= size:
            break
        right = child + 1
        if right < size and (keys[right] < keys[child] or (keys[right] == keys[child] and lists[right] < lists[child])):
            child = right
        if keys[child] > key or (keys[child] == key and lists[child] > own):
            break
        keys[at], lists[at] = keys[child], lists[child]
        at = child
    keys[at], lists[at] = key, own


@helper
def heapify(keys: Any, lists: Any) -> None:
    """Make the smallest key the first. O(K)."""
    size = keys.shape[0]
    for at in range(size // 2 - 1, -1, -1):
        sift_down(keys, lists, at, size)


@helper
def pop_list(keys: Any, lists: Any, size: int) -> int:
    """Take the list of the smallest key out of a heap of `size`. O(log K)."""
    first = lists[0]
    keys[0], lists[0] = keys[size - 1], lists[size - 1]
    sift_down(keys, lists, 0, size - 1)
    return first
