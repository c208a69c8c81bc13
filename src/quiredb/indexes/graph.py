"""`graph`: approximate search by a walk over one layer of neighbour rows.

Of the HNSW and Vamana class: a walk on 8-bit codes, then float64 distances for the best of the pool. Composition over
`FlatIndex`, whose codes it walks on. Space n (4 degree) bytes beside `flat`. Time: some 20 to 40 expansions and 500 to
1,500 codes a query at recall@10 0.95 to 0.98 on 100,000 rows, growing with the logarithm of n.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from quiredb.indexes.contract import METRIC_CODES, Arrays, Distances, IndexArraysError, Mask, MetricName, Rows, Vectors
from quiredb.indexes.flat import FlatIndex
from quiredb.indexes.kernels.graph_search import graph_search
from quiredb.indexes.kernels.registry import ensure_compiled
from quiredb.indexes.shapes import as_mask, as_queries, as_query, persisted, trimmed

EFFORTS = (10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
DEFAULT_EFFORT = 128
MASKED_POOL_LIMIT = 4096
"""The widest pool a masked walk may keep; beyond it an exact scan of the matches is the better plan."""
MASKED_SHARE_POWER = 0.5
"""A masked walk keeps effort * share ** this allowed rows, which holds recall about where the unmasked walk has it."""

_NO_MASK = np.empty(0, np.uint8)


class Scratch:
    """The visited bits of running searches, kept for the next ones. Each search has one to itself."""

    __slots__ = ("_count", "_free")

    def __init__(self, count: int) -> None:
        self._count = count
        self._free: deque[tuple[NDArray[np.uint64], NDArray[np.int32]]] = deque()

    def take(self) -> tuple[NDArray[np.uint64], NDArray[np.int32]]:
        """All-zero bits for every row and room to note which were set."""
        try:
            return self._free.pop()
        except IndexError:
            return np.zeros((self._count >> 6) + 1, np.uint64), np.empty(min(self._count, 16384) + 1, np.int32)

    def give_back(self, scratch: tuple[NDArray[np.uint64], NDArray[np.int32]]) -> None:
        """Return what `take` gave, clean again."""
        self._free.append(scratch)


@dataclass(frozen=True, slots=True, eq=False)
class GraphIndex:
    """An approximate index over the rows of `flat`. Made by `build_graph` or `open_graph`.

    `effort` is how many rows the walk keeps (ef in HNSW; at least k, by default 128 and at least 2 k): more effort,
    more recall, more time.
    """

    flat: FlatIndex
    neighbours: NDArray[np.int32]
    entries: NDArray[np.int32]
    scratch: Scratch = field(repr=False)

    @property
    def kind(self) -> str:
        """Always `graph`."""
        return "graph"

    @property
    def count(self) -> int:
        """How many rows."""
        return self.flat.count

    @property
    def dimension(self) -> int:
        """How many numbers a row."""
        return self.flat.dimension

    @property
    def metric(self) -> MetricName:
        """`cosine`, `l2` or `dot`."""
        return self.flat.metric

    @property
    def efforts(self) -> tuple[int, ...]:
        """Pool sizes worth sweeping."""
        return EFFORTS

    @property
    def nbytes(self) -> dict[str, int]:
        """`hot`: what every search touches at random; `cold`: what may stay on disk."""
        hot = self.flat.codes.nbytes + self.flat.factors.nbytes + self.neighbours.nbytes
        cold = self.flat.vectors.nbytes + self.flat.errors.nbytes + self.flat.radii.nbytes
        return {"hot": hot, "cold": cold}

    def arrays(self) -> Arrays:
        """neighbours i32[n, degree] (padded -1) and entries i32[m]; the codes are the flat index's to persist."""
        return {"neighbours": self.neighbours, "entries": self.entries}

    def search(
        self, query: Vectors, k: int, *, effort: int | None = None, mask: Mask | None = None
    ) -> tuple[Rows, Distances]:
        """About the `k` nearest allowed rows, with exact distances. May find fewer than `k` under a sparse mask."""
        query = as_query(query, self.dimension)
        rows, distances = self.search_batch(query.reshape(1, -1), k, effort=effort, mask=mask)
        return trimmed(rows[0], distances[0])

    def search_batch(
        self, queries: Vectors, k: int, *, effort: int | None = None, mask: Mask | None = None
    ) -> tuple[Rows, Distances]:
        """`search` for each query."""
        ensure_compiled()
        queries = as_queries(queries, self.dimension)
        rows = np.empty((queries.shape[0], max(0, k)), np.int64)
        distances = np.empty(rows.shape, np.float64)
        if rows.size == 0 or self.count == 0:
            rows.fill(-1)
            distances.fill(np.inf)
            return rows, distances
        allowed, results, ties = _NO_MASK, 0, k
        pool = max(k, effort) if effort else max(2 * k, DEFAULT_EFFORT)
        if mask is not None:
            allowed = as_mask(mask, self.count)
            share = max(1, int(np.count_nonzero(allowed))) / self.count
            results = max(k, int(pool * share**MASKED_SHARE_POWER))
            pool = max(pool, min(int(2 * results / share), MASKED_POOL_LIMIT))
            ties = int(2 * k / share)
        scratch = self.scratch.take()
        graph_search(
            queries, self.flat.vectors, self.flat.codes, self.flat.factors, self.flat.centre, self.neighbours,
            self.entries, METRIC_CODES[self.metric], min(pool, self.count), min(results, self.count),
            max(2 * k, k + 24), ties, allowed, *scratch, rows, distances,
        )  # fmt: skip
        self.scratch.give_back(scratch)
        return rows, distances


def open_graph(flat: FlatIndex, arrays: Arrays) -> GraphIndex:
    """The index of `GraphIndex.arrays()` as they were saved; nothing is copied. Raises IndexArraysError."""
    neighbours = persisted(arrays, "neighbours", np.int32, (flat.count, None))
    entries = persisted(arrays, "entries", np.int32, (None,))
    if entries.size and (entries.min() < 0 or entries.max() >= flat.count):
        raise IndexArraysError("the entries of the graph point outside it; rebuild the index")
    return GraphIndex(flat, neighbours, entries, Scratch(flat.count))
