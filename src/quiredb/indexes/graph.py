"""`graph`: approximate search by a walk over one layer of neighbour rows.

Of the HNSW and Vamana class: a walk on one-bit estimates that looks at 8-bit codes only of what comes to the front,
then float64 distances for the best (`kernels/walk.py`). Composition over `FlatIndex`, whose codes it uses. Space n
(4 degree + D / 8 + 16, in whole cache lines) bytes beside `flat`. Time: on 100,000 embeddings some 55 expansions,
1,150 estimates and 100 codes a query at recall@10 0.95, growing with about the cube root of n.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from quiredb.indexes.contract import METRIC_CODES, Arrays, Distances, IndexArraysError, Mask, MetricName, Rows, Vectors
from quiredb.indexes.flat import FlatIndex
from quiredb.indexes.kernels.graph_search import Lengths, Parts, graph_search
from quiredb.indexes.kernels.registry import ensure_compiled
from quiredb.indexes.kernels.rotation import rotation_signs
from quiredb.indexes.kernels.sign_codes import record_stride
from quiredb.indexes.kernels.sign_scan import sign_scan
from quiredb.indexes.shapes import aligned_empty, as_mask, as_queries, as_query, persisted, unanswered
from quiredb.indexes.walk_limits import Scratch, ScratchShape, walk_limits

EFFORTS = (10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
ROTATION_SEED = 0
"""The rotation of all records."""
OPEN = 4096
"""Rows beyond k that a scan by signs may rank exactly: those whose 8-bit scores leave it open where they stand."""
_NO_MASK = np.empty(0, np.uint8)
_INT64, _FLOAT32, _FLOAT64 = np.dtype(np.int64), np.dtype(np.float32), np.dtype(np.float64)


class Trace(NamedTuple):
    """What a search did, as means: rows expanded, estimated by signs, scored by codes, reranked; bytes it read."""

    expansions: float
    estimates: float
    scored: float
    reranked: float
    bytes_read: float


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
    count: int = field(init=False)
    """How many rows."""
    gates: NDArray[np.uint8] = field(init=False, repr=False)
    """The records of the entries, one behind the other: every search reads them all."""
    row_shape: tuple[int] = field(init=False, repr=False)
    scratch: Scratch = field(init=False, repr=False)
    lengths: NDArray[np.float64] = field(init=False, repr=False)
    bound: Callable[..., int] = field(init=False, repr=False)
    """The search kernel with all that is the same for every query, bound once."""

    def __post_init__(self) -> None:
        flat = self.flat
        gates = aligned_empty((self.entries.shape[0], self.records.shape[1]), np.uint8)
        np.take(self.records, self.entries, axis=0, out=gates)
        lengths = np.array(Lengths(float(flat.radii.max(initial=0.0)), *flat.typical()), np.float64)
        shape = ScratchShape(
            flat.count, self.neighbours.shape[1], self.entries.shape[0], flat.dimension, self.rotation.shape[1]
        )
        parts = Parts(
            flat.vectors.ctypes.data, flat.dimension, flat.codes.ctypes.data, flat.codes.shape[1],
            flat.centre.ctypes.data, self.rotation.ctypes.data, shape.size, self.records.ctypes.data,
            self.records.shape[1], self.neighbours.ctypes.data, shape.degree, flat.count, self.entries.ctypes.data,
            shape.entries, gates.ctypes.data, METRIC_CODES[flat.metric],
        )  # fmt: skip
        fixed = {
            "count": flat.count,
            "gates": gates,
            "row_shape": (flat.dimension,),
            "scratch": Scratch(shape),
            "lengths": lengths,
            "bound": partial(graph_search, np.array(parts, np.int64), lengths),
        }
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
        hot = self.records.nbytes + self.gates.nbytes + self.flat.codes.nbytes + self.neighbours.nbytes
        cold = self.flat.vectors.nbytes + self.flat.factors.nbytes + self.flat.errors.nbytes + self.flat.radii.nbytes
        return {"hot": hot, "cold": cold}

    def arrays(self) -> Arrays:
        """records u8[n, stride], neighbours i32[n, degree] (padded -1), entries i32[m]; codes are the flat index's."""
        return {"records": self.records, "neighbours": self.neighbours, "entries": self.entries}

    def search(
        self, query: Vectors, k: int, *, effort: int | None = None, mask: Mask | None = None, allowed: int | None = None
    ) -> tuple[Rows, Distances]:
        """About the `k` nearest allowed rows, with exact distances.

        Finds fewer than `k`, or nothing, under a mask that is sparse, or far from the query; nothing if the query is
        not finite.
        """
        if query.shape != self.row_shape or query.dtype is not _FLOAT32 or not query.flags.c_contiguous:
            query = as_query(query, self.dimension)
        if k < 1 or self.count == 0:
            return np.empty(0, np.int64), np.empty(0, np.float64)
        rows: Rows = np.empty(k, _INT64)
        distances: Distances = np.empty(k, _FLOAT64)
        found = self._walk(query, k, effort, mask, allowed, rows, distances)
        return (rows, distances) if found == k else (rows[:found], distances[:found])

    def search_batch(
        self, queries: Vectors, k: int, *, effort: int | None = None, mask: Mask | None = None,
        allowed: int | None = None,
    ) -> tuple[Rows, Distances]:  # fmt: skip
        """`search` for each query."""
        queries = as_queries(queries, self.dimension)
        rows, distances = unanswered(queries, k)
        if rows.size and self.count:
            self._walk(queries.reshape(-1), k, effort, mask, allowed, rows.reshape(-1), distances.reshape(-1))
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
            flat.vectors, flat.codes, flat.factors, flat.centre, self.rotation, self.records,
            METRIC_CODES[flat.metric], self.lengths[1], self.lengths[2], queries, k + OPEN, as_mask(mask, self.count),
            np.zeros(4, np.int64), rows, distances,
        )  # fmt: skip
        return rows, distances

    def trace(self, queries: Vectors, k: int, effort: int | None = None) -> Trace:
        """What searching `queries` costs, as means for each."""
        queries = as_queries(queries, self.dimension)
        count = queries.shape[0]
        limits = walk_limits(self.count, k, effort, None)
        block = self.scratch.take(limits)
        rows, distances = np.empty(count * k, np.int64), np.empty(count * k)
        self.bound(queries.reshape(-1), _NO_MASK, *limits, block.memory, block.heap, rows, distances)
        expanded, estimated, scored, reranked = (block.memory[:4] / count).tolist()
        block.free.append(block)
        read = (
            expanded * self.neighbours.itemsize * self.neighbours.shape[1]
            + estimated * self.records.shape[1]
            + scored * self.flat.codes.shape[1]
            + reranked * self.flat.vectors.itemsize * self.dimension
        )
        return Trace(expanded, estimated, scored, reranked, read)

    def _walk(
        self, queries: Vectors, k: int, effort: int | None, mask: Mask | None, allowed: int | None, rows: Rows,
        distances: Distances,
    ) -> int:  # fmt: skip
        """Fill rows and distances (b * k) for queries (b * d); returns how many rows were found at least."""
        ensure_compiled()
        bytes_ = _NO_MASK
        if mask is not None:
            bytes_ = as_mask(mask, self.count)
            allowed = int(np.count_nonzero(bytes_)) if allowed is None else allowed
        limits = walk_limits(self.count, k, effort, allowed)
        block = self.scratch.take(limits)
        memory, heap, free = block
        found = self.bound(queries, bytes_, *limits, memory, heap, rows, distances)
        free.append(block)
        return found


def open_graph(flat: FlatIndex, arrays: Arrays) -> GraphIndex:
    """The index of `GraphIndex.arrays()` as they were saved; nothing is copied. Raises IndexArraysError."""
    neighbours = persisted(arrays, "neighbours", np.int32, (flat.count, None))
    entries = persisted(arrays, "entries", np.int32, (None,))
    if entries.size and (entries.min() < 0 or entries.max() >= flat.count):
        raise IndexArraysError("the entries of the graph point outside it; rebuild the index")
    records = persisted(arrays, "records", np.uint8, (flat.count, record_stride(flat.dimension)))
    rotation = rotation_signs(flat.dimension, ROTATION_SEED)
    return GraphIndex(flat, records, neighbours, entries, rotation)
