"""The near rows of a row: the least of its distances to a leaf, merged into those that earlier leaves gave."""

from __future__ import annotations

from typing import Any

import numpy as np

from quiredb.indexes.kernels.frontier import as_key, row_of, score_of
from quiredb.indexes.kernels.leaf_dots import LANES, lanes_within, least_by_lane
from quiredb.indexes.kernels.mask_words import count_bits, lowest_bit
from quiredb.indexes.kernels.registry import helper

COPIES = 4
"""Rows of one distance among a row's near ones; more copies of one vector would crowd out the different ones."""
LARGEST = np.float32(3e38)
"""No row is nearer than that to a row whose numbers do not fit float32."""


@helper
def _reach(address: Any, blocks: int, wanted: int, least: Any) -> Any:
    """A float that at least `wanted` (16 at most) of the 16 `blocks` floats at an address do not exceed.

    It is the `wanted`-th of the least in each lane, which hardly more of all floats do not exceed: 15 where 10 are
    wanted and order is random. least: room for 16.
    """
    start = least.ctypes.data
    least_by_lane(address, blocks, start)
    reach = np.float32(np.inf)
    for lane in range(LANES):
        value = least[lane]
        if value < reach and count_bits(lanes_within(start, value)) >= wanted:
            reach = value
    return reach


@helper
def nearest_in_leaf(leaf: Any, own: int, padded: int, limit: Any, keys: Any) -> int:
    """Fill keys (sorted) with the least of leaf.distances, none above `limit`; returns how many.

    A key's row is how many places it comes after place `own`, round the leaf: so many copies meet different copies. Of
    one distance only the first COPIES count; where they take the room that the lanes' least leave, all is looked at
    once more.
    """
    size, capacity = 0, keys.shape[0]
    start = leaf.distances.ctypes.data
    widest = min(limit, LARGEST)
    limit = min(widest, _reach(start, padded // LANES, capacity, leaf.least)) if capacity <= LANES else widest
    looking = True
    while looking:
        first, size = limit, 0
        for base in range(0, padded, LANES):
            within = lanes_within(start + 4 * base, limit)
            while within != 0:
                position = base + lowest_bit(within)
                within &= within - np.uint64(1)
                after = position - own
                key = as_key(leaf.distances[position], after if after >= 0 else after + padded, 0)
                place = size
                while place > 0 and keys[place - 1] > key:
                    place -= 1
                alike = place
                while alike < size and keys[alike] >> 32 == key >> 32:
                    alike += 1
                crowded = alike >= COPIES and keys[alike - COPIES] >> 32 == key >> 32
                if place == capacity or (crowded and alike == place):
                    continue
                if not crowded:
                    size = min(size + 1, capacity)
                for i in range(alike - 1 if crowded else size - 1, place, -1):
                    keys[i] = keys[i - 1]
                keys[place] = key
                if size == capacity:
                    limit = min(limit, score_of(keys[capacity - 1]))
        looking = size < capacity and first < widest
        limit = widest
    return size


@helper
def merge_near(
    keys: Any, size: int, members: Any, own: int, padded: int, near: Any, distances: Any, rest: Any, rest_distances: Any
) -> None:
    """Merge the keys of a leaf into a row's near rows: no row twice, and at most COPIES of one distance."""
    if size == 0:
        return
    capacity, least = near.shape[0], score_of(keys[0])
    merged = 0
    while merged < capacity and distances[merged] <= least:
        merged += 1
    left: Any = 0
    for i in range(merged, capacity):
        if near[i] < 0:
            break
        rest[left], rest_distances[left] = near[i], distances[i]
        left += 1
    old: Any = 0
    new: Any = 0
    while merged < capacity and (old < left or new < size):
        if new == size or (old < left and rest_distances[old] <= score_of(keys[new])):
            row, distance = rest[old], rest_distances[old]
            old += 1
        else:
            position = own + row_of(keys[new])
            row = members[position if position < padded else position - padded]
            distance = score_of(keys[new])
            new += 1
        alike, known = merged, False
        while alike > 0 and distances[alike - 1] == distance:
            alike -= 1
            known |= near[alike] == row
        if known or merged - alike >= COPIES:
            continue
        near[merged], distances[merged] = row, distance
        merged += 1
