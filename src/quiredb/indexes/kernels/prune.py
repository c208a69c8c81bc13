"""Distances between coded rows and the alpha-rule that chooses a node's neighbours.

Both rows are codes: with u unsigned and g = u - 128 of the other row, I = sum u g is one integer dot product and
4 <w, w'> = 4 I + 2 sum u - 510 (sum u' - 128 d) - 255 d for w = u - 127.5, exactly. The padding of g meets zeros.
The rule is Vamana's RobustPrune (DiskANN, NeurIPS 2019): going outwards, keep a candidate unless a kept one is nearer
to it by the factor alpha than the node itself.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from quiredb.indexes.kernels.level import dot_rows
from quiredb.indexes.kernels.registry import helper
from quiredb.indexes.kernels.row_dots import TOGETHER
from quiredb.indexes.kernels.simd import BLOCK, prefetch

DONE = -1
"""Compared with all it needs: a candidate that is kept or covered for good."""


class Table(NamedTuple):
    """Coded rows and what their squared distances need."""

    codes: Any
    factors: Any
    sums: Any
    asides: Any
    dimension: Any


class Room(NamedTuple):
    """Memory for comparing one row with many."""

    signed: Any
    rows: Any
    dots: Any
    between: Any
    places: Any
    compared: Any


@helper
def make_room(capacity: int, stride: int) -> Any:
    """Memory for comparing with up to `capacity` rows."""
    whole = (capacity + TOGETHER - 1) // TOGETHER * TOGETHER
    return Room(
        np.empty(stride, np.int8), np.zeros(whole, np.int32), np.empty(whole, np.int32), np.empty(whole, np.float32),
        np.empty(whole, np.int32), np.empty(whole, np.int32),
    )  # fmt: skip


@helper
def as_signed(codes: Any, row: int, out: Any) -> None:
    """out = codes[row] - 128, as the signed operand of `dot_codes`."""
    for i in range(out.shape[0]):
        out[i] = np.int8(codes[row, i] ^ np.uint8(128))


@helper
def fetch_codes(codes: Any, row: int) -> None:
    """Prefetch the codes of a row."""
    prefetch(codes.ctypes.data + np.int64(row) * codes.shape[1], codes.shape[1] // BLOCK)


@helper
def measure_rows(table: Any, room: Any, other: int, size: int) -> None:
    """room.between[i] = the squared distance of the row `other`, whose signed codes are in the room, and room.rows[i].

    What stands behind the first `size` of room.rows, up to a whole round, must be rows too.
    """
    codes, sums, factors, asides = table.codes, table.sums, table.factors, table.asides
    stride = codes.shape[1]
    dot_rows(
        codes.ctypes.data, stride, room.rows.ctypes.data, (size + TOGETHER - 1) // TOGETHER, room.signed.ctypes.data,
        stride // BLOCK, room.dots.ctypes.data,
    )  # fmt: skip
    shift = -510 * (np.int64(sums[other]) - 128 * table.dimension) - 255 * table.dimension
    half, square = np.float32(0.5) * factors[other, 1], factors[other, 0]
    for i in range(size):
        row: Any = np.int64(room.rows[i])
        product = np.float32(4 * np.int64(room.dots[i]) + 2 * np.int64(sums[row]) + shift)
        distance = factors[row, 0] + square - half * factors[row, 1] * product
        if asides.shape[0] > 0:
            gap = asides[row] - asides[other]
            distance += gap * gap
        room.between[i] = distance


@helper
def _spread_out(
    table: Any, room: Any, candidates: Any, distances: Any, size: int, limit: int, alpha: Any, out: Any
) -> int:
    """The first round of `prune`: the nearest candidate left is kept and covers what it can.

    room.compared becomes how many of the kept a candidate has been compared with when one covered it.
    """
    rows, places, compared = room.rows, room.places, room.compared
    for i in range(size):
        rows[i], places[i] = candidates[i], i
    left: Any = size
    kept = 0
    while left > 0:
        row: Any = np.int64(rows[0])
        compared[places[0]] = DONE
        out[kept] = row
        kept += 1
        if kept == limit:
            return kept
        as_signed(table.codes, row, room.signed)
        measure_rows(table, room, row, left)
        open_: Any = 0
        for i in range(1, left):
            place, between = places[i], room.between[i]
            distance = distances[place]
            compared[place] = DONE if alpha * between <= distance else kept
            rows[open_], places[open_] = rows[i], place
            open_ += np.int64(not between <= distance)
        left = open_
    return kept


@helper
def prune(table: Any, room: Any, candidates: Any, distances: Any, size: int, limit: int, alpha: Any, out: Any) -> int:
    """Choose at most `limit` of the candidates into out; returns how many.

    They come in ascending order of their distance to the node, which is not among them.
    A first round covers by plain comparison, which spreads the edges widest; a second one fills the slots left over
    by the factor `alpha` (of squared distances). It goes on where the first one stopped comparing a candidate: what did
    not cover it then does not cover it now. The room must hold `size` rows.
    """
    kept = _spread_out(table, room, candidates, distances, size, limit, alpha, out)
    if kept == limit:
        return kept
    for position in range(size):
        first: Any = np.int64(room.compared[position])
        if first == DONE:
            continue
        row: Any = np.int64(candidates[position])
        as_signed(table.codes, row, room.signed)
        covered = False
        while first < kept and not covered:
            few = min(TOGETHER, kept - first)
            for i in range(few):
                room.rows[i] = out[first + i]
            measure_rows(table, room, row, few)
            for i in range(few):
                covered |= alpha * room.between[i] <= distances[position]
            first += few
        if covered:
            continue
        out[kept] = row
        kept += 1
        if kept == limit:
            return kept
    return kept
