"""Keeping the k best: arrays of eight-byte numbers sorted by (distance, row)."""

from __future__ import annotations

from typing import Any

from quiredb.indexes.kernels.registry import helper
from quiredb.indexes.kernels.simd import move_bytes


@helper
def insert_ranked(distances: Any, rows: Any, size: int, capacity: int, distance: Any, row: Any) -> int:
    """Insert into the first `size` entries, ordered by (distance, row); drop the last when full. Returns the size."""
    if size == capacity:
        last = distances[size - 1]
        if distance > last or (distance == last and row > rows[size - 1]):
            return size
        size -= 1
    low, high = 0, size
    while low < high:
        middle = (low + high) >> 1
        if distances[middle] < distance or (distances[middle] == distance and rows[middle] < row):
            low = middle + 1
        else:
            high = middle
    at = distances.ctypes.data + low * 8
    move_bytes(at + 8, at, (size - low) * 8)
    at = rows.ctypes.data + low * 8
    move_bytes(at + 8, at, (size - low) * 8)
    distances[low] = distance
    rows[low] = row
    return size + 1


@helper
def insert_value(values: Any, size: int, capacity: int, value: float) -> int:
    """The same for bare values: keep the `capacity` smallest, ascending."""
    if size == capacity:
        if value >= values[size - 1]:
            return size
        size -= 1
    low, high = 0, size
    while low < high:
        middle = (low + high) >> 1
        if values[middle] <= value:
            low = middle + 1
        else:
            high = middle
    at = values.ctypes.data + low * 8
    move_bytes(at + 8, at, (size - low) * 8)
    values[low] = value
    return size + 1
