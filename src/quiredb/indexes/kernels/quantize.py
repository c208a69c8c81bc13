"""8-bit codes with a proven error, and the query's side of them.

A row x is stored as codes u in 0..255 of y = x' - c, where x' is x (for cosine x / |x|) and c the mean of the x'
(without far outliers, which would drag it away from everything else):

    y  ~  y^ = s (u - 127.5),   s = max |y_i| / 127.5,   error = |y - y^| (rounded up)

A query becomes a signed 8-bit vector p with z ~ z^ = t p, where z = q - c for l2 and q' otherwise. One integer dot
product I = sum u_i p_i then gives every metric's score:

    <y^, z^> = s t (2 I - 255 sum p) / 2
    score    = base + A + S t (2 I - 255 sum p)
    l2:          base = |q - c|^2, A = |y|^2, S = -s          (an estimate of the squared distance)
    cosine, dot: base = -<q', c>,  A = 0,     S = -s / 2      (an estimate of -<q', x'>)

By Cauchy-Schwarz |<y, z> - <y^, z^>| <= |z^| error + |z - z^| |y|, which holds always; l2 doubles it.
Sources: scalar quantisation as in LVQ (arXiv 2304.04759) without its mean-range offset; the bound is elementary.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from quiredb.indexes.kernels.exact import COSINE, L2, row_norm
from quiredb.indexes.kernels.float_sums import largest_magnitude, squared_length
from quiredb.indexes.kernels.registry import filled, float32, float64, given, helper, int64, kernel, uint8, void

ROUNDED_UP = 1.0 + 2.0**-20
"""Covers the rounding of a float64 sum and of its storage as float32."""
SMALLEST_SCALE = 1e-30
"""Below it a row is coded as zero: float32 could not hold half the scale exactly."""
TINY = 1e-40
"""Covers the coarse rounding of subnormal float32 numbers."""


@helper
def normaliser(vectors: Any, row: int, metric: int) -> float:
    """What x is divided by before coding: |x| for cosine (1 for a zero vector), else 1."""
    if metric != COSINE:
        return 1.0
    norm = row_norm(vectors.ctypes.data + row * vectors.shape[1] * 4, vectors.shape[1])
    return norm if norm > 0.0 else 1.0


@kernel(void, given(float32, 2), filled(float64))
def row_norms(vectors: Any, out: Any) -> None:
    """out[i] = |vectors[i]|."""
    for row in range(vectors.shape[0]):
        out[row] = row_norm(vectors.ctypes.data + row * vectors.shape[1] * 4, vectors.shape[1])


@kernel(int64, given(float32, 2), int64, given(float64), float64, filled(float64))
def add_rows(vectors: Any, metric: int, norms: Any, limit: float, total: Any) -> int:
    """total += the (for cosine: normalised) rows whose norm is at most `limit`; returns how many those were."""
    added = 0
    for row in range(vectors.shape[0]):
        if norms[row] > limit:
            continue
        inverse = 1.0 / norms[row] if metric == COSINE and norms[row] > 0.0 else 1.0
        for i in range(vectors.shape[1]):
            total[i] += np.float64(vectors[row, i]) * inverse
        added += 1
    return added


@kernel(
    void,
    given(float32, 2),
    int64,
    given(float32),
    filled(uint8, 2),
    filled(float32, 2),
    filled(float32),
    filled(float32),
)
def encode_rows(vectors: Any, metric: int, centre: Any, codes: Any, factors: Any, errors: Any, radii: Any) -> None:
    """Fill codes[n, stride], factors[n] = (A, S), errors[n] >= |y - y^| and radii[n] >= |y|.

    A row whose numbers do not fit float32 gets zero factors and infinite error: every scan keeps it and reranks it.
    """
    dimension, stride = vectors.shape[1], codes.shape[1]
    y = np.zeros(stride, np.float64)
    start = y.ctypes.data
    for row in range(vectors.shape[0]):
        inverse = 1.0 / normaliser(vectors, row, metric)
        for i in range(dimension):
            y[i] = np.float64(vectors[row, i]) * inverse - np.float64(centre[i])
        squared = squared_length(start, stride)
        scale: float = np.float64(np.float32(largest_magnitude(start, stride) / 127.5))
        if scale < SMALLEST_SCALE:
            scale = 0.0
        steps = 1.0 / scale if scale > 0.0 else 0.0
        for i in range(dimension):
            level = min(max(np.rint(y[i] * steps + 127.5), 0.0), 255.0)
            codes[row, i] = np.uint8(level)
            y[i] -= scale * (level - 127.5)
        residue = squared_length(start, stride)
        for i in range(dimension, stride):
            codes[row, i] = 0
        factors[row, 0] = np.float32(squared) if metric == L2 else np.float32(0.0)
        factors[row, 1] = np.float32(-scale) if metric == L2 else np.float32(-0.5 * scale)
        errors[row] = np.float32(np.sqrt(residue) * ROUNDED_UP + TINY)
        radii[row] = np.float32(np.sqrt(squared) * ROUNDED_UP + TINY)
        if squared >= 1e38:
            factors[row, 0] = 0.0
            factors[row, 1] = 0.0
            errors[row] = np.inf
            radii[row] = np.inf


@helper
def encode_query(query: Any, centre: Any, metric: int, p: Any) -> tuple[float, int, float, float, float]:
    """Fill p[stride] with the query's signed codes.

    Returns (t, 255 sum p, base, |z^| with its l2 factor, |z - z^| with its l2 factor), the last two rounded up.
    """
    dimension = query.shape[0]
    norm = 1.0
    if metric == COSINE:
        length = row_norm(query.ctypes.data, dimension)
        norm = length if length > 0.0 else 1.0
    largest = 0.0
    base = 0.0
    for i in range(dimension):
        x = np.float64(query[i]) / norm
        c = np.float64(centre[i])
        if metric == L2:
            x -= c
            base += x * x
        else:
            base -= x * c
        largest = max(largest, abs(x))
    scale = largest / 127.0
    total: Any = 0
    coded, residue = 0.0, 0.0
    for i in range(dimension):
        x = np.float64(query[i]) / norm
        if metric == L2:
            x -= np.float64(centre[i])
        code = np.rint(x / scale) if scale > 0.0 else 0.0
        p[i] = np.int8(code)
        total += np.int64(code)
        coded += code * code
        difference = x - scale * code
        residue += difference * difference
    for i in range(dimension, p.shape[0]):
        p[i] = 0
    doubled = 2.0 if metric == L2 else 1.0
    coded_length = doubled * scale * np.sqrt(coded) * ROUNDED_UP
    return scale, 255 * total, base, coded_length, doubled * np.sqrt(residue) * ROUNDED_UP


@helper
def twice_signed(dot: Any, offset: Any) -> Any:
    """`2 I - 255 sum p`, exactly."""
    return 2 * np.int64(dot) - offset
