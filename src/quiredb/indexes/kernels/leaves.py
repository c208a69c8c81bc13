"""Near neighbours by comparing all rows of a leaf with each other, and the leader each row is nearest to.

Distances are those of the coded rows, made from exact integer dot products (`prune.measure_rows` gives the same
bits), so every CPU finds the same rows.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from quiredb.indexes.kernels.leaf_dots import GROUPS, LANES, ROWS, lanes_within, least_of_lanes
from quiredb.indexes.kernels.level import compare_leaf
from quiredb.indexes.kernels.mask_words import lowest_bit
from quiredb.indexes.kernels.near_rows import merge_near, nearest_in_leaf
from quiredb.indexes.kernels.prune import Table, as_signed, fetch_codes, make_room, measure_rows
from quiredb.indexes.kernels.registry import (
    filled,
    float32,
    given,
    helper,
    int32,
    int64,
    kernel,
    uint8,
    uint32,
    void,
)
from quiredb.indexes.kernels.simd import prefetch

FEW = 20
"""So few leaders are compared with one row after the other; a block would be mostly empty."""
AHEAD = 8
"""Rows that codes are fetched ahead."""
BLOCK_ROWS = GROUPS * LANES


class Leaf(NamedTuple):
    """The packed rows of a leaf and what their distances need, padded to whole blocks with rows infinitely far."""

    packed: Any
    squares: Any
    scales: Any
    twice_sums: Any
    asides: Any
    dots: Any
    distances: Any
    signed: Any
    least: Any


@helper
def make_leaf(capacity: int, stride: int) -> Any:
    """Memory for up to `capacity` rows."""
    padded = (capacity + BLOCK_ROWS - 1) // BLOCK_ROWS * BLOCK_ROWS
    return Leaf(
        np.zeros((padded // LANES, stride // 4, LANES), np.uint32), np.empty(padded, np.float32),
        np.empty(padded, np.float32), np.empty(padded, np.int32), np.zeros(padded, np.float32),
        np.empty((ROWS, padded), np.int32), np.empty(padded, np.float32), np.zeros((ROWS, stride), np.int8),
        np.empty(LANES, np.float32),
    )  # fmt: skip


@helper
def pack(leaf: Any, rows: Any, words: Any, factors: Any, sums: Any, asides: Any) -> int:
    """Fill the leaf with `rows`; returns their number in whole blocks. words[n, stride / 4] are the codes."""
    size = rows.shape[0]
    padded = (size + BLOCK_ROWS - 1) // BLOCK_ROWS * BLOCK_ROWS
    for i in range(size):
        if i + AHEAD < size:
            prefetch(words.ctypes.data + np.int64(rows[i + AHEAD]) * words.shape[1] * 4, words.shape[1] // LANES)
        row: Any = np.int64(rows[i])
        group, lane = i // LANES, i % LANES
        for k in range(words.shape[1]):
            leaf.packed[group, k, lane] = words[row, k]
        leaf.squares[i], leaf.scales[i], leaf.twice_sums[i] = factors[row, 0], factors[row, 1], 2 * sums[row]
        if asides.shape[0] > 0:
            leaf.asides[i] = asides[row]
    for i in range(size, padded):
        leaf.squares[i], leaf.scales[i], leaf.twice_sums[i] = np.float32(np.inf), np.float32(0.0), 0
    return padded


@helper
def compare(leaf: Any, rows: Any, size: int, padded: int, codes: Any) -> None:
    """leaf.dots[i, j] = the integer product of rows[i] (`size` of them, at most ROWS) and the leaf's row j."""
    stride = codes.shape[1]
    for i in range(size):
        row: Any = np.int64(rows[i])
        for k in range(stride):
            leaf.signed[i, k] = np.int8(codes[row, k] ^ np.uint8(128))
    steps = stride // 4
    for first in range(0, padded, BLOCK_ROWS):
        compare_leaf(
            leaf.signed.ctypes.data, stride, leaf.packed.ctypes.data + first * stride, steps,
            leaf.dots.ctypes.data + first * 4, leaf.dots.shape[1] * 4,
        )  # fmt: skip


@helper
def measure(leaf: Any, line: int, row: int, padded: int, factors: Any, sums: Any, asides: Any, dimension: int) -> None:
    """leaf.distances[j] = the squared distance of `row`, whose products are leaf.dots[line], to the leaf's row j."""
    dots, distances = leaf.dots[line], leaf.distances
    shift = np.int32(-510 * (np.int64(sums[row]) - 128 * dimension) - 255 * dimension)
    half, square = np.float32(0.5) * factors[row, 1], factors[row, 0]
    for j in range(padded):
        product = np.int32(np.int32(4 * dots[j]) + leaf.twice_sums[j] + shift)
        distances[j] = leaf.squares[j] + square - half * leaf.scales[j] * np.float32(product)
    if asides.shape[0] > 0:
        aside = asides[row]
        for j in range(padded):
            gap = leaf.asides[j] - aside
            distances[j] += gap * gap


@kernel(
    void, given(int32), given(int32), given(uint8), given(uint8, 2), given(uint32, 2), given(float32, 2), given(int32),
    given(float32), int64, int64, filled(int32, 2), filled(float32, 2),
)  # fmt: skip
def meet_in_leaves(
    rows: Any, bounds: Any, wanted: Any, codes: Any, words: Any, factors: Any, sums: Any, asides: Any, dimension: int,
    nearest: int, near: Any, distances: Any,
) -> None:  # fmt: skip
    """For each leaf rows[bounds[i]:bounds[i + 1]]: each wanted row meets all others of its leaf.

    The `nearest` of a leaf go into its near rows (near, distances: [n, capacity], sorted, padded -1 and inf). Leaves
    that are compared at the same time must not share wanted rows. `words` are the codes as uint32.
    """
    largest: Any = 0
    for i in range(bounds.shape[0] - 1):
        largest = max(largest, np.int64(bounds[i + 1] - bounds[i]))
    leaf = make_leaf(largest, codes.shape[1])
    asking, at = np.empty(largest, np.int32), np.empty(largest, np.int64)
    capacity = near.shape[1]
    keys = np.empty(nearest, np.int64)
    rest, rest_distances = np.empty(capacity, np.int32), np.empty(capacity, np.float32)
    for i in range(bounds.shape[0] - 1):
        members = rows[bounds[i] : bounds[i + 1]]
        asked: Any = 0
        for position in range(members.shape[0]):
            asking[asked], at[asked] = members[position], position
            asked += np.int64(wanted[members[position]] != 0)
        if members.shape[0] < 2 or asked == 0:
            continue
        padded = pack(leaf, members, words, factors, sums, asides)
        for first in range(0, asked, ROWS):
            together = min(ROWS, asked - first)
            compare(leaf, asking[first:], together, padded, codes)
            for line in range(together):
                row: Any = np.int64(asking[first + line])
                measure(leaf, line, row, padded, factors, sums, asides, dimension)
                own = at[first + line]
                leaf.distances[own] = np.float32(np.inf)
                size = nearest_in_leaf(leaf, own, padded, distances[row, capacity - 1], keys)
                merge_near(keys, size, members, own, padded, near[row], distances[row], rest, rest_distances)


@helper
def _first_of_least(distances: Any, padded: int) -> Any:
    """The place of the least of the first `padded` distances, the first of equals."""
    start = distances.ctypes.data
    least = least_of_lanes(start, padded // LANES)
    for base in range(0, padded, LANES):
        within = lanes_within(start + 4 * base, least)
        if within != 0:
            return base + lowest_bit(within)
    return np.int64(0)


@helper
def _nearest_of_few(rows: Any, leaders: Any, table: Any, out: Any) -> None:
    """What `nearest_leaders` does, without packing the leaders."""
    room = make_room(leaders.shape[0], table.codes.shape[1])
    room.rows[: leaders.shape[0]] = leaders
    for i in range(rows.shape[0]):
        if i + AHEAD < rows.shape[0]:
            fetch_codes(table.codes, rows[i + AHEAD])
        row: Any = np.int64(rows[i])
        as_signed(table.codes, row, room.signed)
        measure_rows(table, room, row, leaders.shape[0])
        best, least = 0, np.float32(np.inf)
        for j in range(leaders.shape[0]):
            if room.between[j] < least:
                best, least = j, room.between[j]
        out[i] = best


@kernel(
    void, given(int32), given(int32), given(uint8, 2), given(uint32, 2), given(float32, 2), given(int32),
    given(float32), int64, filled(int32),
)  # fmt: skip
def nearest_leaders(
    rows: Any, leaders: Any, codes: Any, words: Any, factors: Any, sums: Any, asides: Any, dimension: int, out: Any
) -> None:
    """out[i] = which of the rows `leaders` is nearest to rows[i]; the first of equals."""
    if leaders.shape[0] <= FEW:
        _nearest_of_few(rows, leaders, Table(codes, factors, sums, asides, dimension), out)
        return
    leaf = make_leaf(leaders.shape[0], codes.shape[1])
    padded = pack(leaf, leaders, words, factors, sums, asides)
    for first in range(0, rows.shape[0], ROWS):
        together = min(ROWS, rows.shape[0] - first)
        for ahead in range(first + AHEAD, min(first + AHEAD + ROWS, rows.shape[0])):
            fetch_codes(codes, rows[ahead])
        compare(leaf, rows[first:], together, padded, codes)
        for line in range(together):
            row: Any = np.int64(rows[first + line])
            measure(leaf, line, row, padded, factors, sums, asides, dimension)
            out[first + line] = _first_of_least(leaf.distances, padded)
