"""Near neighbours by comparing all rows of a leaf with each other, and the leader each row is nearest to.

Distances are those of the coded rows, made from exact integer dot products (`prune.coded_distance` gives the same
bits), so every CPU finds the same rows.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from quiredb.indexes.kernels.leaf_dots import GROUPS, LANES, ROWS, lanes_below, lowest_bit
from quiredb.indexes.kernels.level import compare_leaf
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

COPIES = 4
"""Rows of one distance among a row's near ones; more copies of one vector would crowd out the different ones."""
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


@helper
def make_leaf(capacity: int, stride: int) -> Any:
    """Memory for up to `capacity` rows."""
    padded = (capacity + BLOCK_ROWS - 1) // BLOCK_ROWS * BLOCK_ROWS
    return Leaf(
        np.zeros((padded // LANES, stride // 4, LANES), np.uint32), np.empty(padded, np.float32),
        np.empty(padded, np.float32), np.empty(padded, np.int32), np.zeros(padded, np.float32),
        np.empty((ROWS, padded), np.int32), np.empty(padded, np.float32), np.zeros((ROWS, stride), np.int8),
    )  # fmt: skip


@helper
def pack(leaf: Any, rows: Any, words: Any, factors: Any, sums: Any, asides: Any) -> int:
    """Fill the leaf with `rows`; returns their number in whole blocks. words[n, stride / 4] are the codes."""
    size = rows.shape[0]
    padded = (size + BLOCK_ROWS - 1) // BLOCK_ROWS * BLOCK_ROWS
    for i in range(size):
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


@helper
def put_near(distances: Any, rows: Any, size: int, distance: Any, row: int) -> int:
    """Insert into the sorted near rows (`size` of at most len(rows)), unless COPIES are as far; returns the new size."""
    capacity = rows.shape[0]
    place = size
    while place > 0 and distances[place - 1] > distance:
        place -= 1
    alike = place - 1
    while alike >= 0 and distances[alike] == distance:
        if rows[alike] == row:
            return size
        alike -= 1
    if place - 1 - alike >= COPIES or place == capacity:
        return size
    last = size if size < capacity else capacity - 1
    for i in range(last, place, -1):
        distances[i], rows[i] = distances[i - 1], rows[i - 1]
    distances[place], rows[place] = distance, row
    return last + 1


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
    largest = 0
    for i in range(bounds.shape[0] - 1):
        largest = max(largest, np.int64(bounds[i + 1] - bounds[i]))
    leaf = make_leaf(largest, codes.shape[1])
    asking, at = np.empty(largest, np.int32), np.empty(largest, np.int64)
    found, found_distances = np.empty(nearest, np.int32), np.empty(nearest, np.float32)
    capacity = near.shape[1]
    for i in range(bounds.shape[0] - 1):
        members = rows[bounds[i] : bounds[i + 1]]
        asked = 0
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
                leaf.distances[at[first + line]] = np.float32(np.inf)
                limit, size = distances[row, capacity - 1], 0
                for base in range(0, padded, LANES):
                    below = lanes_below(leaf.distances.ctypes.data + 4 * base, limit)
                    while below != 0:
                        position = base + lowest_bit(below)
                        below &= below - np.uint32(1)
                        size = put_near(found_distances, found, size, leaf.distances[position], members[position])
                    if size == nearest:
                        limit = min(limit, found_distances[nearest - 1])
                known = _filled(near[row])
                for position in range(size):
                    known = put_near(distances[row], near[row], known, found_distances[position], found[position])


@helper
def _filled(rows: Any) -> int:
    """How many of the sorted near rows there are."""
    size = rows.shape[0]
    while size > 0 and rows[size - 1] < 0:
        size -= 1
    return size


@kernel(
    void, given(int32), given(int32), given(uint8, 2), given(uint32, 2), given(float32, 2), given(int32),
    given(float32), int64, filled(int32),
)  # fmt: skip
def nearest_leaders(
    rows: Any, leaders: Any, codes: Any, words: Any, factors: Any, sums: Any, asides: Any, dimension: int, out: Any
) -> None:
    """out[i] = which of the rows `leaders` is nearest to rows[i]; the first of equals."""
    leaf = make_leaf(leaders.shape[0], codes.shape[1])
    padded = pack(leaf, leaders, words, factors, sums, asides)
    for first in range(0, rows.shape[0], ROWS):
        together = min(ROWS, rows.shape[0] - first)
        compare(leaf, rows[first:], together, padded, codes)
        for line in range(together):
            measure(leaf, line, np.int64(rows[first + line]), padded, factors, sums, asides, dimension)
            best, least = 0, np.float32(np.inf)
            for j in range(leaders.shape[0]):
                if leaf.distances[j] < least:
                    best, least = j, leaf.distances[j]
            out[first + line] = best
