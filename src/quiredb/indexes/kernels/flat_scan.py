"""Exact search in two passes: integer estimates with a proven bound, then float64 distances of the survivors.

Pass 1 keeps tau, the k-th smallest upper bound seen so far, and every row whose lower bound is not above it. Pass 2
computes survivors exactly. A discarded row has k rows provably nearer, so the answer is the exact one, ties included
(bounds are compared with <=, ranks with (distance, row)). Time n (d / 64 instructions) + survivors * d.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from quiredb.indexes.kernels.exact import row_distance, widen
from quiredb.indexes.kernels.level import dot_codes
from quiredb.indexes.kernels.quantize import encode_query, twice_signed
from quiredb.indexes.kernels.ranking import insert_ranked, insert_value
from quiredb.indexes.kernels.registry import filled, float32, float64, given, helper, int64, kernel, uint8, void
from quiredb.indexes.kernels.simd import BLOCK, prefetch

GROUP = 8
"""Queries that share one pass over the codes."""
ROWS_AT_ONCE = 256
"""Rows of codes that stay in the second-level cache while the group's queries look at them."""
AHEAD = 8
"""How many gathered rows ahead codes are prefetched."""
SLACK = 1e-6
"""Relative allowance for float32 storage of |y|^2 and for float64 rounding."""


@kernel(
    void,
    given(float32, 2),
    given(float32, 2),
    given(uint8, 2),
    given(float32, 2),
    given(float32),
    given(float32),
    given(float32),
    int64,
    given(int64),
    given(uint8),
    filled(int64, 2),
    filled(float64, 2),
)
def flat_search(
    queries: Any,
    vectors: Any,
    codes: Any,
    factors: Any,
    errors: Any,
    radii: Any,
    centre: Any,
    metric: int,
    subset: Any,
    mask: Any,
    out_rows: Any,
    out_distances: Any,
) -> None:
    """Fill out_rows[b, k] (padded -1) and out_distances[b, k] (padded inf).

    With a subset only these rows are looked at, with a mask all rows and the allowed ones kept; both may be empty.
    """
    k = out_rows.shape[1]
    total = subset.shape[0] if subset.shape[0] > 0 else codes.shape[0]
    group = min(GROUP, queries.shape[0])
    p = np.zeros((group, codes.shape[1]), np.int8)
    terms = np.zeros((group, 5), np.float64)
    upper = np.empty((group, k), np.float64)
    sizes = np.zeros((group, 2), np.int64)
    rows = np.empty((group, total), np.int32)
    lower = np.empty((group, total), np.float64)
    for first in range(0, queries.shape[0], group):
        members = min(group, queries.shape[0] - first)
        for g in range(members):
            scale, offset, base, length, residue = encode_query(queries[first + g], centre, metric, p[g])
            terms[g, 0], terms[g, 1], terms[g, 2], terms[g, 3], terms[g, 4] = scale, offset, base, length, residue
            sizes[g, 0] = sizes[g, 1] = 0
        for begin in range(0, total, ROWS_AT_ONCE):
            end = min(begin + ROWS_AT_ONCE, total)
            for g in range(members):
                if subset.shape[0] > 0:
                    _estimate(p[g], terms[g], begin, end, codes, factors, errors, radii, subset, mask,
                              upper[g], sizes[g], rows[g], lower[g], True, False)  # fmt: skip
                elif mask.shape[0] > 0:
                    _estimate(p[g], terms[g], begin, end, codes, factors, errors, radii, subset, mask,
                              upper[g], sizes[g], rows[g], lower[g], False, True)  # fmt: skip
                else:
                    _estimate(p[g], terms[g], begin, end, codes, factors, errors, radii, subset, mask,
                              upper[g], sizes[g], rows[g], lower[g], False, False)  # fmt: skip
        for g in range(members):
            _rerank(queries[first + g], vectors, metric, upper[g], sizes[g], rows[g], lower[g],
                    out_rows[first + g], out_distances[first + g])  # fmt: skip


@helper
def _estimate(
    p: Any, terms: Any, begin: int, end: int, codes: Any, factors: Any, errors: Any, radii: Any, subset: Any,
    mask: Any, upper: Any, sizes: Any, rows: Any, lower: Any, gathered: bool, masked: bool,
) -> None:  # fmt: skip
    """Pass 1 over [begin, end), of the subset where `gathered`. sizes = (upper bounds kept, rows kept).

    A row that the mask leaves out gets a bound that turns it down: a branch of its own would often be guessed wrong.
    """
    scale, offset, base, length, residue = terms[0], np.int64(terms[1]), terms[2], terms[3], terms[4]
    stride = codes.shape[1]
    blocks = stride // BLOCK
    start, query = codes.ctypes.data, p.ctypes.data
    k = upper.shape[0]
    bounds, kept = sizes[0], sizes[1]
    for position in range(begin, end):
        row = position
        if gathered:
            row = subset[position]
            if position + AHEAD < subset.shape[0]:
                prefetch(start + subset[position + AHEAD] * stride, blocks)
        signed = np.float64(twice_signed(dot_codes(start + row * stride, query, blocks), offset))
        estimate = base + np.float64(factors[row, 0]) + np.float64(factors[row, 1]) * scale * signed
        radius, error = np.float64(radii[row]), np.float64(errors[row])
        bound = length * error + residue * radius + SLACK * (abs(base) + (radius + length) * radius)
        least = estimate - bound
        if not error < np.inf:
            least, bound = -np.inf, np.inf
        least = np.inf if masked and mask[row] == 0 else least
        if bounds == k and least > upper[k - 1]:
            continue
        if masked and mask[row] == 0:
            continue
        rows[kept] = row
        lower[kept] = least
        kept += 1
        bounds = insert_value(upper, bounds, k, estimate + bound)
    sizes[0], sizes[1] = bounds, kept


@helper
def _rerank(
    query: Any, vectors: Any, metric: int, upper: Any, sizes: Any, rows: Any, lower: Any, out_rows: Any, out: Any
) -> None:
    """Pass 2: exact distances of rows whose lower bound is not above the k-th upper bound and distance so far."""
    k = out.shape[0]
    dimension = query.shape[0]
    start, wide = vectors.ctypes.data, np.empty(dimension, np.float64)
    norm = widen(query, wide)
    limit = upper[k - 1] if sizes[0] == k else np.inf
    kept = 0
    for position in range(sizes[1]):
        if lower[position] <= limit:
            rows[kept], lower[kept] = rows[position], lower[position]
            kept += 1
    size = 0
    for position in range(kept):
        if lower[position] > limit:
            continue
        row, following = np.int64(rows[position]), np.int64(rows[min(position + 1, kept - 1)])
        at, ahead = start + row * dimension * 4, start + following * dimension * 4
        distance = row_distance(wide.ctypes.data, at, dimension, metric, norm, ahead)
        size = insert_ranked(out, out_rows, size, k, distance, row)
        if size == k:
            limit = min(limit, out[k - 1])
    for position in range(size, k):
        out[position] = np.inf
        out_rows[position] = -1
