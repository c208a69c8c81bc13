"""Partitions of rows into lists by seeded k-means, kept even by splitting and merging.

The same for any number of threads, on every CPU.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from quiredb.indexes.contract import METRIC_CODES, Vectors
from quiredb.indexes.flat import FlatIndex
from quiredb.indexes.kernels.partition import add_members, code_centroids, nearest_centroids

ROUNDS = 8
SAMPLE_PER_LIST = 64
"""Rows a list that k-means looks at."""
SPLIT = 2.0
"""A list of more than this many times the mean is split."""
MERGED = 0.125
"""A list of less than this share of the mean is merged into its neighbours."""
BALANCING = 4
"""Rounds of splitting and merging at most."""
SLICE = 2048
"""Rows assigned between two chances for other threads."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """Which list each of some rows belongs to."""

    rows: NDArray[np.int32]
    lists: NDArray[np.int32]
    distances: NDArray[np.float32]
    """Squared distances to the centroids, less what does not depend on them."""


@dataclass(frozen=True, slots=True)
class Assigner:
    """Sends rows of one flat index to their nearest centroids, in slices over threads."""

    flat: FlatIndex
    pool: ThreadPoolExecutor
    check: Callable[[], None]
    """Called between slices; may raise to stop."""

    def assign(self, rows: NDArray[np.int32], centroids: Vectors) -> Assignment:
        """The nearest centroid (float32[K, d]) of each row."""
        flat = self.flat
        codes = np.zeros((centroids.shape[0], flat.codes.shape[1]), np.int8)
        terms = np.zeros((centroids.shape[0], 3), np.float64)
        code_centroids(centroids, flat.centre, codes, terms)
        scales = self._scales()
        lists, distances = np.empty(rows.shape[0], np.int32), np.empty(rows.shape[0], np.float32)

        def run(start: int) -> None:
            part = slice(start, start + SLICE)
            nearest_centroids(rows[part], flat.codes, scales, codes, terms, lists[part], distances[part])

        for _ in self.pool.map(run, range(0, rows.shape[0], SLICE)):
            self.check()
        return Assignment(rows, lists, distances)

    def _scales(self) -> NDArray[np.float32]:
        factor = np.float32(-1.0 if self.flat.metric == "l2" else -2.0)
        return np.ascontiguousarray(self.flat.factors[:, 1] * factor)

    def means(self, assigned: Assignment, count: int) -> tuple[Vectors, NDArray[np.int64]]:
        """float32[count, d]: the mean of each list's rows (zero where there are none); and how many there are."""
        sums = np.zeros((count, self.flat.dimension), np.float64)
        sizes = np.zeros(count, np.int64)
        metric = METRIC_CODES[self.flat.metric]
        for start in range(0, assigned.rows.shape[0], SLICE):
            part = slice(start, start + SLICE)
            add_members(self.flat.vectors, metric, assigned.rows[part], assigned.lists[part], sums, sizes)
            self.check()
        return (sums / np.maximum(sizes, 1)[:, None]).astype(np.float32), sizes


def cluster(assigner: Assigner, rows: NDArray[np.int32], count: int, random: np.random.Generator) -> Vectors:
    """`count` centroids (float32[count, d]) of `rows` by k-means from random rows. O(rows count d) a round.

    A list that loses all its rows starts anew at a row far from its centroid.
    """
    first = np.sort(random.permutation(rows)[:count]).astype(np.int32)
    centroids, _ = assigner.means(Assignment(first, np.arange(count, dtype=np.int32), _NONE), count)
    for _ in range(ROUNDS):
        assigned = assigner.assign(rows, centroids)
        centroids, sizes = assigner.means(assigned, count)
        empty = np.flatnonzero(sizes == 0)
        if empty.size:
            far = rows[np.argsort(-assigned.distances, kind="stable")[: empty.size]]
            again = Assignment(far, np.arange(far.shape[0], dtype=np.int32), _NONE)
            centroids[empty], _ = assigner.means(again, far.shape[0])
    return centroids


def balanced(
    assigner: Assigner, rows: NDArray[np.int32], centroids: Vectors, count: int, random: np.random.Generator
) -> Vectors:
    """Centroids near the given ones that part `rows` into lists of like size, about `count` of them.

    A list beyond SPLIT times the mean is split by 2-means, one below MERGED of it is given up; then every row goes to
    its nearest centroid, also across the lists beside the new ones, as LIRE demands (SPFresh, arXiv 2410.14452). It
    ends when all lists fit, or after BALANCING rounds: copies of one row cannot be parted.
    """
    mean = rows.shape[0] / max(1, count)
    for _ in range(BALANCING):
        if centroids.shape[0] == 0:
            centroids = np.zeros((1, assigner.flat.dimension), np.float32)
        assigned = assigner.assign(rows, centroids)
        means, sizes = assigner.means(assigned, centroids.shape[0])
        large = np.flatnonzero(sizes > max(SPLIT * mean, 2))
        kept = (sizes >= MERGED * mean) & (sizes > 0)
        if large.size == 0 and kept.all():
            return means
        kept[large] = False
        halves = [cluster(assigner, rows[assigned.lists == target], 2, random) for target in large]
        centroids = np.concatenate([means[kept], *halves])
    return centroids


_NONE = np.empty(0, np.float32)
