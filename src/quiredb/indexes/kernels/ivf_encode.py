"""Writes the blocks of `ivf`: one-bit codes of rows relative to the centroid of their list.

With y = x' - c the row from its list's centroid c, m the mean of all rows, s the signs of P y (P the rotation),
rho = |y|^2 / sum |(P y)_i| and z = P (q' - m), the estimate of a row's score is G + A + S <s, z>:

    l2:          G = |q - c|^2,  A = |y|^2 + 2 rho <s, P (c - m)>,   S = -2 rho
    cosine, dot: G = -<q', c>,   A = -<c, y> + rho <s, P (c - m)>,   S = -rho

so that one table of z serves every list, and the error is as small as if the query had come from the centroid.
Source: RaBitQ (arXiv 2405.12497, 2409.09913).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from quiredb.indexes.kernels.exact import L2
from quiredb.indexes.kernels.fast_scan import LANES, pack_signs
from quiredb.indexes.kernels.quantize import normaliser
from quiredb.indexes.kernels.registry import filled, float32, float64, given, int32, int64, kernel, uint8, void
from quiredb.indexes.kernels.rotation import rotate


@kernel(
    void, given(float32, 2), int64, given(float32), given(float32, 2), given(float32, 2), given(int32), given(int64),
    int64, given(int64), filled(uint8, 2), filled(float32, 3), filled(int32, 2), filled(float64),
)  # fmt: skip
def encode_list_rows(
    vectors: Any, metric: int, mean: Any, centroids: Any, signs: Any, members: Any, ends: Any, first_list: int,
    starts: Any, codes: Any, factors: Any, rows: Any, spreads: Any,
) -> None:  # fmt: skip
    """Fill the blocks of lists first_list ... first_list + len(ends) - 2.

    members[ends[i]:ends[i + 1]] are the rows of the i-th of them, whose blocks begin at starts[first_list + i].
    codes[blocks, 4 D] (zero before), factors[blocks, 2, 32] = A, S and rows[blocks, 32] are filled in these blocks,
    with A = inf and row -1 in unused lanes; spreads[list] = the mean of |y|^2.
    """
    dimension, size = vectors.shape[1], signs.shape[1]
    y, turned_centroid = np.empty(size, np.float32), np.empty(size, np.float32)
    for position in range(ends.shape[0] - 1):
        target = first_list + position
        turned_centroid[:] = 0.0
        for i in range(dimension):
            turned_centroid[i] = centroids[target, i] - mean[i]
        rotate(turned_centroid.ctypes.data, signs)
        total = 0.0
        count = ends[position + 1] - ends[position]
        for member in range(count):
            row: Any = np.int64(members[ends[position] + member])
            inverse = 1.0 / normaliser(vectors, row, metric)
            squared, along = 0.0, 0.0
            y[:] = 0.0
            for i in range(dimension):
                difference = np.float64(vectors[row, i]) * inverse - np.float64(centroids[target, i])
                y[i] = difference
                squared += difference * difference
                along += difference * np.float64(centroids[target, i])
            rotate(y.ctypes.data, signs)
            absolute, product = 0.0, 0.0
            for i in range(size):
                absolute += np.float64(abs(y[i]))
                c = np.float64(turned_centroid[i])
                product += c if y[i] > 0 else -c
            rho = squared / absolute if absolute > 0.0 else 0.0
            block, lane = starts[target] + member // LANES, member % LANES
            pack_signs(y, lane, codes[block])
            added = squared + 2.0 * rho * product if metric == L2 else rho * product - along
            slope = -2.0 * rho if metric == L2 else -rho
            if not (abs(added) < 1e38 and abs(slope) < 1e38):
                added, slope = -np.inf, 0.0
            factors[block, 0, lane] = added
            factors[block, 1, lane] = slope
            rows[block, lane] = row
            total += squared
        spreads[target] = total / max(1, count)
        for lane in range(count, (starts[target + 1] - starts[target]) * LANES):
            block = starts[target] + lane // LANES
            factors[block, 0, lane % LANES] = np.inf
            factors[block, 1, lane % LANES] = 0.0
            rows[block, lane % LANES] = -1
