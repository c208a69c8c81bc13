"""Exact search said as plainly as possible: every distance in float64, then a sort."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray


def distances(query: NDArray[np.float32], vectors: NDArray[np.float32], metric: str) -> NDArray[np.float64]:
    """Distances of all rows: 1 - cos (1 for a zero vector), squared Euclidean, or the negated inner product."""
    q, x = query.astype(np.float64), vectors.astype(np.float64)
    if metric == "l2":
        return np.asarray(((x - q) ** 2).sum(axis=1))
    products = (x * q).sum(axis=1)
    if metric == "dot":
        return -products
    lengths = np.sqrt((x * x).sum(axis=1)) * np.sqrt((q * q).sum())
    return 1.0 - np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0)


def nearest(
    query: NDArray[np.float32],
    vectors: NDArray[np.float32],
    metric: str,
    k: int,
    allowed: Iterable[int] | None = None,
) -> list[tuple[float, int]]:
    """The k smallest (distance, row) among the allowed rows."""
    every = distances(query, vectors, metric)
    rows = range(len(vectors)) if allowed is None else allowed
    return sorted((float(every[row]), int(row)) for row in rows)[:k]
