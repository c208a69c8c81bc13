"""Checks and conversions at the edge of the package, and aligned memory for what it derives."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from quiredb.indexes.contract import Arrays, Distances, IndexArraysError, Mask, Rows, Vectors

ALIGNMENT = 64
"""Bytes of a cache line: a row of codes that starts on one touches one line less."""
_ROWS_CHECKED = 8192


def as_query(query: Vectors, dimension: int) -> Vectors:
    """A C-contiguous float32[dimension], or ValueError."""
    if query.dtype != np.float32 or not query.flags.c_contiguous:
        query = np.ascontiguousarray(query, np.float32)
    if query.shape != (dimension,):
        raise ValueError(f"the query must have shape ({dimension},), not {query.shape}")
    return query


def as_queries(queries: Vectors, dimension: int) -> Vectors:
    """A C-contiguous float32[b, dimension], or ValueError."""
    if queries.dtype != np.float32 or not queries.flags.c_contiguous:
        queries = np.ascontiguousarray(queries, np.float32)
    if queries.ndim != 2 or queries.shape[1] != dimension:
        raise ValueError(f"the queries must have shape (b, {dimension}), not {queries.shape}")
    return queries


def as_mask(mask: Mask, count: int) -> NDArray[np.uint8]:
    """The first `count` entries of a mask as bytes (no copy of bool or uint8), or ValueError."""
    if mask.ndim != 1 or mask.shape[0] < count:
        raise ValueError(f"the mask must be one-dimensional with at least {count} entries, not {mask.shape}")
    contiguous = np.ascontiguousarray(mask[:count])
    return contiguous.view(np.uint8) if contiguous.dtype == np.bool_ else contiguous.astype(np.uint8, copy=False)


def as_allowed(mask: Mask, count: int) -> Mask:
    """A caller's mask itself when it is bool or uint8 with an entry for each row, or ValueError."""
    given: NDArray[Any] = np.asarray(mask)
    if given.dtype not in (np.bool_, np.uint8) or given.shape != (count,):
        raise ValueError(f"the mask must be a boolean array of shape ({count},), not {given.dtype}{given.shape}")
    return given


def as_rows(vectors: ArrayLike) -> Vectors:
    """Vectors as C-contiguous finite float32[n, d] (no copy where they are), or ValueError."""
    rows = np.asarray(vectors)
    if rows.ndim != 2 or rows.shape[1] == 0 or rows.dtype.kind not in "fiu":
        raise ValueError(f"vectors must be numbers of shape (n, d) with d at least 1, not {rows.dtype}{rows.shape}")
    with np.errstate(over="ignore"):
        rows = np.ascontiguousarray(rows, np.float32)
    for start in range(0, rows.shape[0], _ROWS_CHECKED):
        if not np.isfinite(rows[start : start + _ROWS_CHECKED]).all():
            raise ValueError("vectors must be finite float32 numbers; remove NaN and infinity first")
    return rows


def as_finite(queries: ArrayLike, dimension: int, axes: int) -> Vectors:
    """A query (axes 1) or a batch of them (2) as C-contiguous finite float32, or ValueError."""
    checked = np.ascontiguousarray(queries, np.float32)
    if checked.ndim != axes or checked.shape[-1] != dimension:
        wanted = f"({dimension},)" if axes == 1 else f"(b, {dimension})"
        raise ValueError(f"a query must have the {dimension} numbers of a row: shape {wanted}, not {checked.shape}")
    if not np.isfinite(checked).all():
        raise ValueError("queries must be finite float32 numbers; remove NaN and infinity first")
    return checked


def check_search(k: int, recall: float | None, effort: int | None) -> None:
    """Raises ValueError for a search that cannot be meant."""
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}")
    if recall is not None and not 0 < recall <= 1:
        raise ValueError(f"recall must be above 0 and at most 1, not {recall}")
    if recall is not None and effort is not None:
        raise ValueError("give recall or effort, not both")
    if effort is not None and effort < 0:
        raise ValueError(f"effort must not be negative, not {effort}")


def unanswered(queries: Vectors, k: int) -> tuple[Rows, Distances]:
    """int64[b, k] of -1 and float64[b, k] of +inf: the answers to a batch in which nothing was found."""
    rows: Rows = np.full((queries.shape[0], max(0, k)), -1, np.int64)
    return rows, np.full(rows.shape, np.inf)


def trimmed(rows: Rows, distances: Distances) -> tuple[Rows, Distances]:
    """The leading entries that hold a row: without the padding (-1, inf) at the end."""
    if rows.size == 0 or rows[-1] >= 0:
        return rows, distances
    found = int(np.count_nonzero(rows >= 0))
    return rows[:found], distances[:found]


def aligned_empty(shape: tuple[int, ...], dtype: type[np.generic]) -> NDArray[Any]:
    """An uninitialised C-contiguous array that starts on a cache line."""
    size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    memory = np.empty(size + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + size].view(dtype).reshape(shape)


def persisted(arrays: Arrays, name: str, dtype: type[np.generic], shape: tuple[int | None, ...]) -> NDArray[Any]:
    """The array `name` without a copy, if it has this dtype and shape (None: any length), else IndexArraysError."""
    array = arrays.get(name)
    if array is None:
        raise IndexArraysError(f"the array {name!r} is missing; rebuild the index")
    fits = len(array.shape) == len(shape) and all(
        want is None or want == have for want, have in zip(shape, array.shape, strict=True)
    )
    if array.dtype != dtype or not fits or not array.flags.c_contiguous:
        raise IndexArraysError(
            f"the array {name!r} is {array.dtype}{array.shape} where {np.dtype(dtype)}{shape} is needed; "
            "rebuild the index"
        )
    return array
