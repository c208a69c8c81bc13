"""`flat`: exact search by 8-bit codes with a proven bound and a float64 rerank.

Space n (stride + 16) bytes of codes beside the vectors (stride: d rounded up to 64). Time: one integer dot product a
row, 64 dimensions an instruction, and a float64 distance for the few dozen rows the bound cannot decide. See
`kernels/flat_scan.py` for the proof.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from quiredb.indexes.contract import METRIC_CODES, Arrays, Distances, Mask, MetricName, Rows, Vectors
from quiredb.indexes.exact import exact_scan
from quiredb.indexes.kernels.flat_many import flat_search_many
from quiredb.indexes.kernels.flat_scan import flat_search
from quiredb.indexes.kernels.quantize import add_rows, encode_rows, row_norms
from quiredb.indexes.kernels.registry import ensure_compiled
from quiredb.indexes.kernels.simd import BLOCK
from quiredb.indexes.shapes import aligned_empty, as_mask, as_queries, as_query, persisted, trimmed, unanswered

SCAN_FLOATS_UP_TO = 128
"""Rows up to which reading the floats at once is faster than two passes."""
ROWS_PER_SLICE = 8192
"""Rows coded between two chances for other threads."""
MANY = 16
"""So many queries are faster together than in small groups,"""
MANY_K = 1024
"""if they do not ask for more rows each."""
STREAMED = 0.33
"""The share of allowed rows from which reading all codes straight through is faster than picking theirs."""
OUTLIER = 16.0
"""A norm this many times the median does not count towards the centre."""

_EVERY_ROW = np.empty(0, np.int64)
_NO_MASK = np.empty(0, np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class FlatIndex:
    """An exact index over immutable rows. Made by `build_flat` or `open_flat`."""

    vectors: Vectors
    metric: MetricName
    codes: NDArray[np.uint8]
    factors: NDArray[np.float32]
    errors: NDArray[np.float32]
    radii: NDArray[np.float32]
    centre: NDArray[np.float32]

    @property
    def kind(self) -> str:
        """Always `flat`."""
        return "flat"

    @property
    def count(self) -> int:
        """How many rows."""
        return int(self.vectors.shape[0])

    @property
    def dimension(self) -> int:
        """How many numbers a row."""
        return int(self.vectors.shape[1])

    @property
    def efforts(self) -> tuple[int, ...]:
        """Nothing to choose: `(0,)`."""
        return (0,)

    @property
    def nbytes(self) -> dict[str, int]:
        """`hot`: what every search touches at random; `cold`: what may stay on disk."""
        hot = self.codes.nbytes + self.factors.nbytes + self.errors.nbytes + self.radii.nbytes
        return {"hot": hot, "cold": self.vectors.nbytes}

    def arrays(self) -> Arrays:
        """codes u8[n, stride], factors f32[n, 2], errors f32[n], radii f32[n], centre f32[d]."""
        return {
            "codes": self.codes,
            "factors": self.factors,
            "errors": self.errors,
            "radii": self.radii,
            "centre": self.centre,
        }

    def typical(self) -> tuple[float, float]:
        """What the coding errors and the lengths of coded rows typically are."""
        return _typical(self.errors), _typical(self.radii)

    def search(
        self, query: Vectors, k: int, *, effort: int | None = None, mask: Mask | None = None, allowed: int | None = None
    ) -> tuple[Rows, Distances]:
        """The exact `k` nearest allowed rows and their distances. `effort` has no meaning here."""
        if self.count <= SCAN_FLOATS_UP_TO:
            return exact_scan(query, self.vectors, self.count, self.metric, k, mask)
        query = as_query(query, self.dimension)
        rows, distances = self._scan(query.reshape(1, -1), k, mask)
        return trimmed(rows[0], distances[0])

    def search_batch(
        self, queries: Vectors, k: int, *, effort: int | None = None, mask: Mask | None = None,
        allowed: int | None = None,
    ) -> tuple[Rows, Distances]:  # fmt: skip
        """The exact `k` nearest allowed rows of each query; queries share each pass over the codes."""
        queries = as_queries(queries, self.dimension)
        rows, distances = unanswered(queries, k)
        if rows.size == 0 or self.count == 0:
            return rows, distances
        found_rows, found_distances = self._scan(queries, k, mask)
        rows[:, : found_rows.shape[1]] = found_rows
        distances[:, : found_rows.shape[1]] = found_distances
        return rows, distances

    def _scan(self, queries: Vectors, k: int, mask: Mask | None) -> tuple[Rows, Distances]:
        ensure_compiled()
        subset, streamed, matching = _EVERY_ROW, _NO_MASK, self.count
        many = queries.shape[0] >= MANY and k <= MANY_K
        if mask is not None:
            bytes_ = as_mask(mask, self.count)
            allowed = bytes_ != 0
            matching = int(np.count_nonzero(allowed))
            if matching > STREAMED * self.count and not many:
                streamed = bytes_
            else:
                subset = np.flatnonzero(allowed)
        width = max(0, min(k, matching))
        rows = np.empty((queries.shape[0], width), np.int64)
        distances = np.empty((queries.shape[0], width), np.float64)
        if width == 0:
            return rows, distances
        if many:
            flat_search_many(
                queries, self.vectors, self.codes, self.factors, self.errors, self.radii, self.centre,
                METRIC_CODES[self.metric], subset, rows, distances,
            )  # fmt: skip
            return rows, distances
        flat_search(
            queries, self.vectors, self.codes, self.factors, self.errors, self.radii, self.centre,
            METRIC_CODES[self.metric], subset, streamed, rows, distances,
        )  # fmt: skip
        return rows, distances


def build_flat(vectors: Vectors, metric: MetricName) -> FlatIndex:
    """Code `vectors` (float32[n, d], C-contiguous, may be a read-only map). O(n d).

    The vectors are kept by reference and must not change afterwards.
    """
    _check_vectors(vectors, metric)
    ensure_compiled()
    count, dimension = vectors.shape
    code = METRIC_CODES[metric]
    centre = _centre(vectors, metric)
    stride = -(-dimension // BLOCK) * BLOCK
    codes = aligned_empty((count, stride), np.uint8)
    factors = aligned_empty((count, 2), np.float32)
    errors, radii = np.empty(count, np.float32), np.empty(count, np.float32)
    for start in range(0, count, ROWS_PER_SLICE):
        part = slice(start, start + ROWS_PER_SLICE)
        encode_rows(vectors[part], code, centre, codes[part], factors[part], errors[part], radii[part])
    return FlatIndex(vectors, metric, codes, factors, errors, radii, centre)


def open_flat(vectors: Vectors, metric: MetricName, arrays: Arrays) -> FlatIndex:
    """The index of `FlatIndex.arrays()` as they were saved; nothing is copied or read. Raises IndexArraysError."""
    _check_vectors(vectors, metric)
    count, dimension = vectors.shape
    stride = -(-dimension // BLOCK) * BLOCK
    return FlatIndex(
        vectors,
        metric,
        persisted(arrays, "codes", np.uint8, (count, stride)),
        persisted(arrays, "factors", np.float32, (count, 2)),
        persisted(arrays, "errors", np.float32, (count,)),
        persisted(arrays, "radii", np.float32, (count,)),
        persisted(arrays, "centre", np.float32, (dimension,)),
    )


def _centre(vectors: Vectors, metric: MetricName) -> NDArray[np.float32]:
    """The mean of the rows as they are coded, without rows of a norm far above the median."""
    norms = np.empty(vectors.shape[0], np.float64)
    parts = [slice(start, start + ROWS_PER_SLICE) for start in range(0, vectors.shape[0], ROWS_PER_SLICE)]
    for part in parts:
        row_norms(vectors[part], norms[part])
    limit = np.inf if metric == "cosine" or not norms.size else OUTLIER * float(np.median(norms))
    total, added = np.zeros(vectors.shape[1], np.float64), 0
    for part in parts:
        added += add_rows(vectors[part], METRIC_CODES[metric], norms[part], limit, total)
    return (total / max(1, added)).astype(np.float32)


def _typical(lengths: NDArray[np.float32]) -> float:
    """The mean of those that are finite, judged by some thousand of them."""
    some = lengths[:: max(1, lengths.shape[0] // 4096)]
    finite = some[np.isfinite(some)]
    return float(finite.mean(dtype=np.float64)) if finite.size else 0.0


def _check_vectors(vectors: Vectors, metric: MetricName) -> None:
    if metric not in METRIC_CODES:
        raise ValueError(f"the metric must be one of {', '.join(METRIC_CODES)}, not {metric!r}")
    if vectors.ndim != 2 or vectors.dtype != np.float32 or not vectors.flags.c_contiguous or vectors.shape[1] == 0:
        raise ValueError("vectors must be a C-contiguous float32 array of shape (n, d) with d > 0")
