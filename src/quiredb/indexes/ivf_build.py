"""Builds `ivf`: a seeded partition, then the one-bit codes of every list."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from quiredb.indexes.contract import METRIC_CODES, BuildCancelled, Vectors
from quiredb.indexes.flat import FlatIndex
from quiredb.indexes.ivf import IvfIndex, Lists, assemble
from quiredb.indexes.kernels.fast_scan import LANES
from quiredb.indexes.kernels.ivf_encode import encode_list_rows
from quiredb.indexes.kernels.registry import ensure_compiled
from quiredb.indexes.kernels.rotation import rotated_dimension, rotation_signs
from quiredb.indexes.partition import SAMPLE_PER_LIST, Assigner, Assignment, balanced, cluster
from quiredb.indexes.shapes import aligned_empty

LISTS_PER_ROOT = 1.5
"""Lists for each square root of the rows: scoring them costs about as much as scanning a few of them."""
SMALLEST_LIST = 32
"""Mean rows of a list at least."""
LISTS_PER_SLICE = 16
"""Lists coded between two chances for other threads."""


def build_ivf(
    flat: FlatIndex,
    *,
    lists: int | None = None,
    partition: Vectors | None = None,
    seed: int = 0,
    threads: int = 1,
    progress: Callable[[float], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> IvfIndex:
    """An ivf over the rows of `flat`: same seed, same index, whatever `threads` is.

    `lists` is about how many lists the rows are parted into, by default one and a half times the square root of the
    rows. `partition` (float32[K, d]) starts from the centroids of an older index instead of clustering anew: for rows
    that are mostly the same. `progress` hears a share from 0 to 1; `cancelled` is asked every few milliseconds and a
    true answer raises BuildCancelled. Both are called from the calling thread. Other threads run on: the kernels hold
    no GIL.
    """
    if lists is not None and not 1 <= lists <= max(1, flat.count):
        raise ValueError(f"lists must lie in 1..{max(1, flat.count)}, not {lists}")
    if partition is not None and (partition.ndim != 2 or partition.shape[1] != flat.dimension):
        raise ValueError(f"the partition must be centroids of {flat.dimension} numbers, not {partition.shape}")
    ensure_compiled()
    count = lists or _list_count(flat.count)
    done = _Progress(progress, cancelled)
    with ThreadPoolExecutor(max(1, threads), "ivf-build") as pool:
        assigner = Assigner(flat, pool, done.check)
        random = np.random.default_rng(seed)
        every = np.arange(flat.count, dtype=np.int32)
        if partition is None:
            sample = np.sort(random.permutation(flat.count)[: SAMPLE_PER_LIST * count]).astype(np.int32)
            partition = cluster(assigner, sample, min(count, sample.shape[0]), random)
            done.reached(0.5)
        centroids = balanced(assigner, every, partition, count, random)
        assigned = assigner.assign(every, centroids)
        done.reached(0.8)
        index = assemble(flat, _coded(flat, centroids, assigned, seed, pool, done.check))
    done.reached(1.0)
    return index


class _Progress:
    """Tells and asks the caller of a build."""

    def __init__(self, progress: Callable[[float], None] | None, cancelled: Callable[[], bool] | None) -> None:
        self._progress = progress
        self._cancelled = cancelled

    def check(self) -> None:
        """Raises BuildCancelled when the caller wants to stop."""
        if self._cancelled and self._cancelled():
            raise BuildCancelled("the build of the lists was cancelled")

    def reached(self, share: float) -> None:
        """Report the share done."""
        self.check()
        if self._progress:
            self._progress(share)


def _list_count(rows: int) -> int:
    return max(1, min(int(LISTS_PER_ROOT * np.sqrt(rows)), rows // SMALLEST_LIST))


def _coded(
    flat: FlatIndex,
    centroids: Vectors,
    assigned: Assignment,
    seed: int,
    pool: ThreadPoolExecutor,
    check: Callable[[], None],
) -> Lists:
    """The blocks of every list, its rows in ascending order."""
    count = centroids.shape[0]
    order = np.argsort(assigned.lists, kind="stable")
    members = np.ascontiguousarray(assigned.rows[order])
    ends = np.concatenate([[0], np.cumsum(np.bincount(assigned.lists, minlength=count))]).astype(np.int64)
    starts = np.concatenate([[0], np.cumsum(-(-np.diff(ends) // LANES))]).astype(np.int64)
    blocks = int(starts[-1])
    codes = aligned_empty((blocks, 4 * rotated_dimension(flat.dimension)), np.uint8)
    codes.fill(0)
    factors = aligned_empty((blocks, 2, LANES), np.float32)
    rows: NDArray[np.int32] = aligned_empty((blocks, LANES), np.int32)
    spreads = np.zeros(count, np.float64)
    signs = rotation_signs(flat.dimension, seed)

    def run(first: int) -> None:
        encode_list_rows(
            flat.vectors, METRIC_CODES[flat.metric], flat.centre, centroids, signs, members,
            ends[first : first + LISTS_PER_SLICE + 1], first, starts, codes, factors, rows, spreads,
        )  # fmt: skip

    for _ in pool.map(run, range(0, count, LISTS_PER_SLICE)):
        check()
    return Lists(centroids, spreads, starts, codes, factors, rows, np.array([seed], np.int64))
