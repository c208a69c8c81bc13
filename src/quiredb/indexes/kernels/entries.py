"""Entries for crowds that lie by themselves: all edges of their rows lead to rows of the same crowd."""

from __future__ import annotations

from typing import Any

import numpy as np

from quiredb.indexes.kernels.prune import Table, as_signed, make_room, measure_rows
from quiredb.indexes.kernels.registry import filled, float32, given, helper, int32, int64, kernel, uint8


@kernel(
    int64, given(int32), given(float32), filled(int32), int64, given(uint8, 2), given(float32, 2), given(int32),
    given(float32), int64,
)  # fmt: skip
def enter_crowds(
    rows: Any, reaches: Any, entries: Any, size: int, codes: Any, factors: Any, sums: Any, asides: Any, dimension: int
) -> int:
    """Append to entries[:size] those of `rows` that are farther from every entry than they reach; returns the new size.

    reaches[i]: a squared distance. The one that is farthest, measured by its own reach, comes first, and counts as an
    entry for those after it (Gonzalez, 1985). It ends with the last such row, or where `entries` has no more room.
    """
    count = rows.shape[0]
    table, room = Table(codes, factors, sums, asides, dimension), make_room(count, codes.shape[1])
    room.rows[:count] = rows
    room.rows[count:] = rows[0]
    gaps = np.full(count, np.inf, np.float32)
    for position in range(size):
        _come_near(table, room, entries[position], gaps)
    while size < entries.shape[0]:
        worst, most = 0, np.float32(1.0)
        for i in range(count):
            if gaps[i] > most * reaches[i]:
                worst, most = i, gaps[i] / reaches[i]
        if most == np.float32(1.0):
            break
        entries[size] = rows[worst]
        size += 1
        _come_near(table, room, rows[worst], gaps)
        gaps[worst] = np.float32(0.0)
    return size


@helper
def _come_near(table: Any, room: Any, entry: int, gaps: Any) -> None:
    """gaps[i] = the squared distance of row i and the nearest entry, of which this is one more."""
    as_signed(table.codes, entry, room.signed)
    measure_rows(table, room, entry, gaps.shape[0])
    for i in range(gaps.shape[0]):
        gaps[i] = min(gaps[i], room.between[i])
