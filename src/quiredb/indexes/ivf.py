"""`ivf`: approximate search by a partition into lists whose rows are scanned as one-bit codes.

Composition over `FlatIndex`: its 8-bit codes judge what the one-bit scan lets pass, its rows give float64 distances.
Space beside `flat`: D / 8 + 12 bytes a row (D: d rounded up to 64), and 5 d + 16 a list. Time: one integer product a
list, D / 4 table look-ups for 16 rows of a scanned list, and a random read for each row that passes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quiredb.indexes.contract import METRIC_CODES, Arrays, Distances, IndexArraysError, Mask, MetricName, Rows, Vectors
from quiredb.indexes.flat import FlatIndex
from quiredb.indexes.kernels.fast_scan import LANES
from quiredb.indexes.kernels.ivf_search import ivf_search
from quiredb.indexes.kernels.quantize import encode_rows
from quiredb.indexes.kernels.registry import ensure_compiled
from quiredb.indexes.kernels.rotation import rotated_dimension, rotation_signs
from quiredb.indexes.shapes import aligned_empty, as_mask, as_queries, as_query, persisted, trimmed, unanswered

EFFORTS = (2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
DEFAULT_EFFORT = 64
RERANKED_MORE = 256
"""Rows beyond k that may get exact distances: those whose 8-bit scores leave it open whether they are among the k."""
SPREAD_WEIGHT = 0.5
"""How much of the mean squared distance of its rows counts against a list when lists are ordered."""

_NO_MASK = np.empty(0, np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class Lists:
    """A partition as it is kept: what `IvfIndex.arrays` persists."""

    centroids: Vectors
    spreads: NDArray[np.float64]
    """The mean squared distance of each list's rows from its centroid."""
    starts: NDArray[np.int64]
    """The first block of each list, and the end."""
    codes: NDArray[np.uint8]
    factors: NDArray[np.float32]
    rows: NDArray[np.int32]
    seed: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class IvfIndex:
    """An approximate index over the rows of `flat`. Made by `build_ivf` or `open_ivf`.

    `effort` is how many lists are scanned, the nearest first: more effort, more recall, more time.
    """

    flat: FlatIndex
    lists: Lists
    list_codes: NDArray[np.uint8]
    list_factors: NDArray[np.float32]
    list_squares: NDArray[np.float32]
    list_penalties: NDArray[np.float32]
    signs: NDArray[np.float32]
    searched: tuple[Any, ...] = field(repr=False)
    """All of it, in the order of the kernel's parameters."""

    @property
    def kind(self) -> str:
        """Always `ivf`."""
        return "ivf"

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
        """Numbers of lists worth sweeping."""
        count = self.lists.centroids.shape[0]
        return (*(effort for effort in EFFORTS if effort < count), max(1, count))

    @property
    def nbytes(self) -> dict[str, int]:
        """`hot`: the lists, which searches stream through; `cold`: 8-bit codes and vectors, read for a few rows."""
        lists = self.lists
        hot = (
            lists.codes.nbytes + lists.factors.nbytes + lists.rows.nbytes + lists.starts.nbytes
            + self.list_codes.nbytes + self.list_factors.nbytes + self.signs.nbytes
        )  # fmt: skip
        flat = self.flat.nbytes
        return {"hot": hot, "cold": flat["hot"] + flat["cold"] + lists.centroids.nbytes}

    def arrays(self) -> Arrays:
        """list_centroids f32[K, d], list_spreads f64[K], list_starts i64[K + 1], list_codes u8[blocks, 4 D],
        list_factors f32[blocks, 2, 32], list_rows i32[blocks, 32] (unused lanes -1) and rotation_seed i64[1].
        """
        lists = self.lists
        return {
            "list_centroids": lists.centroids,
            "list_spreads": lists.spreads,
            "list_starts": lists.starts,
            "list_codes": lists.codes,
            "list_factors": lists.factors,
            "list_rows": lists.rows,
            "rotation_seed": lists.seed,
        }

    def search(
        self, query: Vectors, k: int, *, effort: int | None = None, mask: Mask | None = None, allowed: int | None = None
    ) -> tuple[Rows, Distances]:
        """About the `k` nearest allowed rows, with exact distances; fewer only when fewer are allowed."""
        query = as_query(query, self.dimension)
        rows, distances = self._found(query.reshape(1, -1), k, effort, mask)
        return trimmed(rows[0], distances[0])

    def search_batch(
        self, queries: Vectors, k: int, *, effort: int | None = None, mask: Mask | None = None,
        allowed: int | None = None,
    ) -> tuple[Rows, Distances]:  # fmt: skip
        """`search` for each query."""
        return self._found(as_queries(queries, self.dimension), k, effort, mask)

    def _found(self, queries: Vectors, k: int, effort: int | None, mask: Mask | None) -> tuple[Rows, Distances]:
        ensure_compiled()
        rows, distances = unanswered(queries, k)
        if rows.size == 0 or self.count == 0:
            return rows, distances
        allowed = _NO_MASK if mask is None else as_mask(mask, self.count)
        probes = effort or DEFAULT_EFFORT
        ivf_search(*(queries, *self.searched, probes, k + RERANKED_MORE, allowed, rows, distances))
        return rows, distances


def open_ivf(flat: FlatIndex, arrays: Arrays) -> IvfIndex:
    """The index of `IvfIndex.arrays()` as they were saved; nothing is copied. Raises IndexArraysError."""
    centroids = persisted(arrays, "list_centroids", np.float32, (None, flat.dimension))
    count = centroids.shape[0]
    codes = persisted(arrays, "list_codes", np.uint8, (None, 4 * rotated_dimension(flat.dimension)))
    blocks = codes.shape[0]
    lists = Lists(
        centroids,
        persisted(arrays, "list_spreads", np.float64, (count,)),
        persisted(arrays, "list_starts", np.int64, (count + 1,)),
        codes,
        persisted(arrays, "list_factors", np.float32, (blocks, 2, LANES)),
        persisted(arrays, "list_rows", np.int32, (blocks, LANES)),
        persisted(arrays, "rotation_seed", np.int64, (1,)),
    )
    starts, rows = lists.starts, lists.rows
    if starts[0] != 0 or starts[-1] != blocks or (np.diff(starts) < 0).any():
        raise IndexArraysError("the lists do not cover their blocks; rebuild the index")
    if rows.size and (rows.min() < -1 or rows.max() >= flat.count):
        raise IndexArraysError("the lists hold rows that do not exist; rebuild the index")
    return assemble(flat, lists)


def assemble(flat: FlatIndex, lists: Lists) -> IvfIndex:
    """The index over finished lists: codes the centroids as rows of `flat`, so that queries score them alike."""
    ensure_compiled()
    count = lists.centroids.shape[0]
    codes = aligned_empty((count, flat.codes.shape[1]), np.uint8)
    factors, errors, radii = np.empty((count, 2), np.float32), np.empty(count, np.float32), np.empty(count, np.float32)
    # A centroid of unit rows is shorter than they are and must stay so: it is coded as it is, not normalised.
    metric = "l2" if flat.metric == "l2" else "dot"
    encode_rows(lists.centroids, METRIC_CODES[metric], flat.centre, codes, factors, errors, radii)
    wide = lists.centroids.astype(np.float64)
    squares = np.einsum("ij,ij->i", wide, wide)
    penalties = {
        "l2": SPREAD_WEIGHT * lists.spreads,
        "cosine": (squares + SPREAD_WEIGHT * lists.spreads) / 2,
        "dot": np.zeros(count),
    }[flat.metric]
    with np.errstate(over="ignore"):
        narrow = squares.astype(np.float32), penalties.astype(np.float32)
    signs = rotation_signs(flat.dimension, int(lists.seed[0]))
    searched = (
        flat.vectors, flat.codes, flat.factors, flat.centre, METRIC_CODES[flat.metric], codes, factors, *narrow, signs,
        lists.starts, lists.codes, lists.factors, lists.rows, *flat.typical(),
    )  # fmt: skip
    return IvfIndex(flat, lists, codes, factors, *narrow, signs, searched)
