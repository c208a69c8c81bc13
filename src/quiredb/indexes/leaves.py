"""Near neighbours of every row, by parting the rows again and again and comparing all rows of a part.

A parting draws leaders, sends every row to its nearest leader and parts each group again until it is a leaf of at most
`leaf` rows, in which all rows are compared with each other at the speed of a matrix product. Neighbours that a border
separates once are together in another parting. Rows whose neighbours are far off lie near many borders; they alone are
compared with others in further partings. Random ball carving as in PiPNN (arXiv 2602.21247), our own proportions.
Time about 5,000 products of rows for each row, space n (8 near) bytes. The same rows for any number of threads and on
every CPU.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from quiredb.indexes.kernels.leaves import meet_in_leaves, nearest_leaders

LEAF = 1000
"""Rows of a leaf at most."""
FAR_LEAF = 2000
"""The same where only the far rows ask."""
FILLED = 0.45
"""How full leaves are aimed to be: balls differ in size."""
LEADERS = 64
"""Groups that one step makes at most."""
STUCK = 0.95
"""A group that keeps more than this share of its rows is cut anyhow: they are copies, or nearly."""
FROM_A_LEAF = 8
"""Near rows that one leaf gives to a row, or more where there are few partings; and the place whose distance says how
far off a row's neighbours are."""
FAR = 0.3
"""Share of the rows that take part in the further partings."""
SETTLED = 0.06
"""Where a parting changes no more than this share of the nearest rows, the ones before have found nearly all."""
JUDGED = 1024
"""Rows that are looked at for that."""
SLICE = 2048
"""Rows sent to leaders between two looks at `check`."""
SLICE_BYTES = 2**30
"""Bytes of products between two looks at `check`: some milliseconds."""


@dataclass(frozen=True, slots=True)
class CodedRows:
    """The 8-bit codes of rows and what their squared distances need; see `kernels/prune.py`."""

    codes: NDArray[np.uint8]
    factors: NDArray[np.float32]
    sums: NDArray[np.int32]
    asides: NDArray[np.float32]
    dimension: int

    @property
    def words(self) -> NDArray[np.uint32]:
        """The codes as uint32[n, stride / 4]."""
        return self.codes.view(np.uint32)


@dataclass(frozen=True, slots=True)
class NearRows:
    """Near rows of each row: rows int32[n, c] and squared distances float32[n, c], ascending, padded -1 and inf."""

    rows: NDArray[np.int32]
    distances: NDArray[np.float32]
    order: NDArray[np.int32]
    """All rows, those of a leaf together: who follows it finds codes in the cache."""


@dataclass(frozen=True, slots=True)
class Partings:
    """Parts rows into leaves and compares them, spread over threads."""

    coded: CodedRows
    random: np.random.Generator
    pool: ThreadPoolExecutor
    check: Callable[[float], None]
    """Hears the share that is done, from 0 to 1, between slices; may raise to stop."""

    def near_rows(self, capacity: int, partings: int, far_partings: int) -> NearRows:
        """Up to `capacity` near rows of each row. Fewer partings are made, of both kinds, where fewer find them."""
        count = self.coded.codes.shape[0]
        rows, distances = np.full((count, capacity), -1, np.int32), np.full((count, capacity), np.inf, np.float32)
        if count == 0:
            return NearRows(rows, distances, np.empty(0, np.int32))
        if count <= LEAF:
            partings, far_partings = 1, 0
        from_a_leaf = max(min(FROM_A_LEAF, capacity), ceil(capacity / partings))
        far_weight = FAR * FAR_LEAF / LEAF
        whole, made = partings + far_weight * far_partings, 0
        wanted, judged = np.ones(count, np.uint8), slice(0, count, max(1, count // JUDGED))
        for made in range(1, partings + 1):
            before = rows[judged, :from_a_leaf].copy()
            share = ((made - 1) / whole, made / whole)
            order, bounds = self._part(LEAF, share[0])
            self._meet(order, bounds, wanted, from_a_leaf, rows, distances, share)
            if made > 1 and _new(before, rows[judged, :from_a_leaf]) <= SETTLED:
                far_partings = min(far_partings, made)
                break
        wanted = self._far(distances)
        for number in range(far_partings):
            share = ((made + far_weight * number) / whole, (made + far_weight * (number + 1)) / whole)
            order, bounds = self._part(FAR_LEAF, share[0])
            self._meet(order, bounds, wanted, from_a_leaf, rows, distances, share)
        return NearRows(rows, distances, order)

    def _far(self, distances: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Marks the rows whose neighbours are farthest."""
        reach = distances[:, min(FROM_A_LEAF, distances.shape[1]) - 1]
        place = int((1.0 - FAR) * reach.shape[0])
        return (reach > np.partition(reach, place)[place]).astype(np.uint8)

    def _part(self, leaf: int, share: float) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """All rows, and the bounds of each leaf among them.

        Rows of a group stay in ascending order, which is how memory reads them fastest; its leaders are those that come
        first in a random order.
        """
        count = self.coded.codes.shape[0]
        places = np.empty(count, np.int32)
        places[self.random.permutation(count)] = np.arange(count)
        waiting, leaves = [np.arange(count, dtype=np.int32)], []
        while waiting:
            group = waiting.pop()
            if group.shape[0] <= leaf:
                leaves.append(group)
                continue
            drawn = _lowest(places[group], min(LEADERS, ceil(group.shape[0] / (FILLED * leaf))))
            leaders = group[drawn]
            nearest = self._nearest(group, leaders, share)
            sizes = np.bincount(nearest, minlength=leaders.shape[0])
            if sizes.max() > STUCK * group.shape[0]:
                group = group[np.argsort(places[group])]
                leaves.extend(group[start : start + leaf] for start in range(0, group.shape[0], leaf))
                continue
            ordered = group[np.argsort(nearest.astype(np.uint8), kind="stable")]
            waiting.extend(part for part in np.split(ordered, np.cumsum(sizes)[:-1]) if part.size)
        bounds = np.cumsum([0, *(part.shape[0] for part in leaves)]).astype(np.int32)
        return np.concatenate(leaves) if leaves else np.empty(0, np.int32), bounds

    def _nearest(self, group: NDArray[np.int32], leaders: NDArray[np.int32], share: float) -> NDArray[np.int32]:
        coded = self.coded
        nearest = np.empty(group.shape[0], np.int32)

        def run(start: int) -> None:
            part = slice(start, start + SLICE)
            nearest_leaders(
                group[part], leaders, coded.codes, coded.words, coded.factors, coded.sums, coded.asides,
                coded.dimension, nearest[part],
            )  # fmt: skip

        for _ in self.pool.map(run, range(0, group.shape[0], SLICE)):
            self.check(share)
        return nearest

    def _meet(
        self, order: NDArray[np.int32], bounds: NDArray[np.int32], wanted: NDArray[np.uint8], from_a_leaf: int,
        rows: NDArray[np.int32], distances: NDArray[np.float32], share: tuple[float, float],
    ) -> None:  # fmt: skip
        coded = self.coded
        work = np.cumsum(np.diff(bounds).astype(np.int64) ** 2 * coded.codes.shape[1])
        slices = np.flatnonzero(np.diff(work // SLICE_BYTES, prepend=0, append=-1))

        def run(first: int, stop: int) -> None:
            meet_in_leaves(
                order, bounds[first : stop + 1], wanted, coded.codes, coded.words, coded.factors, coded.sums,
                coded.asides, coded.dimension, from_a_leaf, rows, distances,
            )  # fmt: skip

        starts = [0, *slices[:-1].tolist()] if slices.size else []
        stops = slices.tolist()
        for stop, _ in zip(stops, self.pool.map(run, starts, stops), strict=True):
            self.check(share[0] + (share[1] - share[0]) * stop / max(1, bounds.shape[0] - 1))


def _lowest(places: NDArray[np.int32], count: int) -> NDArray[np.int64]:
    """Where the lowest `count` places are, ascending."""
    lowest = np.argpartition(places, count - 1)[:count]
    return lowest[np.argsort(places[lowest])]


def _new(before: NDArray[np.int32], after: NDArray[np.int32]) -> float:
    """The share of `after`, row by row, that is not in `before`."""
    known = (after[:, :, None] == before[:, None, :]).any(axis=2)
    return 1.0 - float(known.mean())
