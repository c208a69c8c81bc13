"""`graph`: approximate search by a walk over one layer of neighbour rows.

Of the HNSW and Vamana class: a walk on one-bit estimates that looks at 8-bit codes only of what comes to the front,
then float64 distances for the best (`kernels/walk.py`). Composition over `FlatIndex`, whose codes it uses. Space n
(4 degree + D / 8 + 16, in whole cache lines) bytes beside `flat`. Time: on 100,000 embeddings some 55 expansions,
1,300 estimates and 90 codes a query at recall@10 0.95, growing with the logarithm of n.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from math import ceil
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from quiredb.indexes.contract import METRIC_CODES, Arrays, Distances, IndexArraysError, Mask, MetricName, Rows, Vectors
from quiredb.indexes.flat import FlatIndex
from quiredb.indexes.kernels.frontier import NOTHING, heap_length
from quiredb.indexes.kernels.graph_search import graph_search
from quiredb.indexes.kernels.registry import ensure_compiled
from quiredb.indexes.kernels.rotation import rotation_signs
from quiredb.indexes.kernels.sign_codes import record_stride
from quiredb.indexes.kernels.sign_scan import sign_scan
from quiredb.indexes.kernels.walk import SEEDS
from quiredb.indexes.shapes import aligned_empty, as_mask, as_queries, as_query, persisted, trimmed, unanswered

EFFORTS = (10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
DEFAULT_EFFORT = 128
ROTATION_SEED = 0
"""The rotation of all records."""
RERANKED = 2
"""Rows beyond k (where more: an eighth of k) that are ranked exactly: 8-bit scores rarely err by more places."""
OPEN = 4096
"""Rows beyond k that a scan by signs may rank exactly: those whose 8-bit scores leave it open where they stand."""
MASKED_EXPANSIONS = 4096
"""The most rows a masked walk expands; beyond it an exact scan of the matches is the better plan."""
PROBED = 32
"""Rows around the query that are judged by at least, and EXPECTED allowed ones where these are rarer."""
EXPECTED = 10
THINNED = 0.3
"""How much thinner than everywhere allowed rows may be around the query: fewer, and the walk is given up."""
MASKED_SLACK = 16
"""Rows beyond k that a masked walk keeps at least: with fewer, the errors of estimates would end it too early."""

_NO_MASK = np.empty(0, np.uint8)


class Trace(NamedTuple):
    """What a search did, as means: rows expanded, estimated by signs, scored by codes, reranked; bytes it read."""

    expansions: float
    estimates: float
    scored: float
    reranked: float
    bytes_read: float


def walk_budget(width: int) -> int:
    """How many rows a walk without a mask may expand; it takes a few more than `width`."""
    return 4 * width + 200


class Scratch:
    """The memory of running searches, kept for the next ones. Each search has one to itself."""

    __slots__ = ("_count", "_degree", "_free")

    def __init__(self, count: int, degree: int) -> None:
        self._count = count
        self._degree = degree
        self._free: deque[tuple[NDArray[np.uint64], NDArray[np.int64]]] = deque()

    def take(self, budget: int) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        """All-zero bits for every row, and an empty heap for the neighbours of `budget` rows."""
        capacity = heap_length(min(self._count, SEEDS + budget * self._degree))
        try:
            seen, heap = self._free.pop()
        except IndexError:
            return np.zeros((self._count >> 6) + 1, np.uint64), empty_heap(capacity)
        return seen, heap if heap.shape[0] >= capacity else empty_heap(capacity)

    def give_back(self, scratch: tuple[NDArray[np.uint64], NDArray[np.int64]]) -> None:
        """Return what `take` gave, clean again."""
        self._free.append(scratch)


def empty_heap(length: int) -> NDArray[np.int64]:
    """A heap without keys, on a cache line."""
    heap: NDArray[np.int64] = aligned_empty((length,), np.int64)
    heap.fill(NOTHING)
    return heap


@dataclass(frozen=True, slots=True, eq=False)
class GraphIndex:
    """An approximate index over the rows of `flat`. Made by `build_graph` or `open_graph`.

    `effort` is how many rows the walk keeps (ef in HNSW; at least k, by default 128 and at least 2 k): more effort,
    more recall, more time.
    """

    flat: FlatIndex
    records: NDArray[np.uint8]
    neighbours: NDArray[np.int32]
    entries: NDArray[np.int32]
    rotation: NDArray[np.float32] = field(repr=False)
    scratch: Scratch = field(repr=False)
    count: int = field(init=False)
    """How many rows."""
    row_shape: tuple[int] = field(init=False, repr=False)
    typical: tuple[float, float] = field(init=False, repr=False)
    """What the coding errors and the lengths of coded rows typically are."""
    bound: Callable[..., None] = field(init=False, repr=False)
    """The search kernel with all that is the same for every query, bound once: a call is a few microseconds."""

    def __post_init__(self) -> None:
        flat = self.flat
        longest = float(flat.radii.max(initial=0.0))
        bound = partial(
            graph_search, flat.vectors, flat.codes, flat.centre, self.rotation, self.records, self.neighbours,
            self.entries, METRIC_CODES[flat.metric], longest,
        )  # fmt: skip
        fixed = {"count": flat.count, "row_shape": (flat.dimension,), "typical": flat.typical(), "bound": bound}
        for name, value in fixed.items():
            object.__setattr__(self, name, value)

    @property
    def kind(self) -> str:
        """Always `graph`."""
        return "graph"

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
        hot = self.records.nbytes + self.flat.codes.nbytes + self.neighbours.nbytes
        cold = self.flat.vectors.nbytes + self.flat.factors.nbytes + self.flat.errors.nbytes + self.flat.radii.nbytes
        return {"hot": hot, "cold": cold}

    def arrays(self) -> Arrays:
        """records u8[n, stride], neighbours i32[n, degree] (padded -1), entries i32[m]; codes are the flat index's."""
        return {"records": self.records, "neighbours": self.neighbours, "entries": self.entries}

    def search(
        self, query: Vectors, k: int, *, effort: int | None = None, mask: Mask | None = None
    ) -> tuple[Rows, Distances]:
        """About the `k` nearest allowed rows, with exact distances.

        Finds fewer than `k`, or nothing, under a mask that is sparse, or far from the query.
        """
        if query.shape != self.row_shape or query.dtype != np.float32 or not query.flags.c_contiguous:
            query = as_query(query, self.dimension)
        if k < 1 or self.count == 0:
            return np.empty(0, np.int64), np.empty(0, np.float64)
        rows, distances = np.empty((1, k), np.int64), np.empty((1, k), np.float64)
        self._walk(query[None], k, effort, mask, np.empty(4, np.int64), rows, distances)
        return trimmed(rows[0], distances[0])

    def search_batch(
        self, queries: Vectors, k: int, *, effort: int | None = None, mask: Mask | None = None
    ) -> tuple[Rows, Distances]:
        """`search` for each query."""
        queries = as_queries(queries, self.dimension)
        rows, distances = unanswered(queries, k)
        if rows.size == 0 or self.count == 0:
            return rows, distances
        self._walk(queries, k, effort, mask, np.zeros(4, np.int64), rows, distances)
        return rows, distances

    def scan_signs(self, queries: Vectors, k: int, mask: Mask) -> tuple[Rows, Distances]:
        """About the `k` nearest allowed rows of each query (float32[b, d]), wherever they are.

        Every allowed row is estimated by its record: [b, k], padded with -1 and inf. Unlike `search`, it finds `k`
        wherever so many are allowed, and what it misses does not depend on the mask.
        """
        ensure_compiled()
        flat = self.flat
        rows, distances = unanswered(queries, k)
        if rows.size == 0 or self.count == 0:
            return rows, distances
        sign_scan(
            flat.vectors, flat.codes, flat.centre, self.rotation, self.records, self.neighbours,
            METRIC_CODES[flat.metric], *self.typical, queries, k + OPEN, as_mask(mask, self.count),
            np.zeros(4, np.int64), rows, distances,
        )  # fmt: skip
        return rows, distances

    def trace(self, queries: Vectors, k: int, effort: int | None = None) -> Trace:
        """What searching `queries` costs, as means for each."""
        queries = as_queries(queries, self.dimension)
        work = np.zeros(4, np.int64)
        shape = (queries.shape[0], k)
        self._walk(queries, k, effort, None, work, np.empty(shape, np.int64), np.empty(shape, np.float64))
        expanded, estimated, scored, reranked = (work / max(1, queries.shape[0])).tolist()
        read = (
            expanded * self.neighbours.itemsize * self.neighbours.shape[1]
            + estimated * self.records.shape[1]
            + scored * self.flat.codes.shape[1]
            + reranked * self.flat.vectors.itemsize * self.dimension
        )
        return Trace(expanded, estimated, scored, reranked, read)

    def _walk(
        self, queries: Vectors, k: int, effort: int | None, mask: Mask | None, work: NDArray[np.int64], rows: Rows,
        distances: Distances,
    ) -> None:  # fmt: skip
        """Fill rows and distances (b, k) and add to work."""
        ensure_compiled()
        allowed, ties = _NO_MASK, k
        width = min(self.count, max(k, effort) if effort else max(2 * k, DEFAULT_EFFORT))
        least = width
        budget, probed, rare = walk_budget(width), 0, 0
        if mask is not None:
            allowed = as_mask(mask, self.count)
            share = max(1, int(np.count_nonzero(allowed))) / self.count
            least = min(width, k + MASKED_SLACK)
            budget = max(budget, min(int(2 * width / share), MASKED_EXPANSIONS))
            ties = int(2 * k / share)
            probed = max(PROBED, int(EXPECTED / share))
            rare = ceil(THINNED * probed * share)
        scratch = self.scratch.take(budget)
        self.bound(
            queries, width, least, k + max(RERANKED, k // 8), ties, budget, probed, rare, allowed, *scratch,
            work, rows, distances,
        )  # fmt: skip
        self.scratch.give_back(scratch)


def open_graph(flat: FlatIndex, arrays: Arrays) -> GraphIndex:
    """The index of `GraphIndex.arrays()` as they were saved; nothing is copied. Raises IndexArraysError."""
    neighbours = persisted(arrays, "neighbours", np.int32, (flat.count, None))
    entries = persisted(arrays, "entries", np.int32, (None,))
    if entries.size and (entries.min() < 0 or entries.max() >= flat.count):
        raise IndexArraysError("the entries of the graph point outside it; rebuild the index")
    records = persisted(arrays, "records", np.uint8, (flat.count, record_stride(flat.dimension)))
    rotation = rotation_signs(flat.dimension, ROTATION_SEED)
    return GraphIndex(flat, records, neighbours, entries, rotation, Scratch(flat.count, neighbours.shape[1]))
