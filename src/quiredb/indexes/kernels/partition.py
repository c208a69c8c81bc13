"""The work of k-means on 8-bit codes: which centroid each row is nearest to, and the sums of the rows of each list.

Rows come as the flat index's codes, y = x' - c with x' the row (for cosine: divided by its length) and c their mean;
centroids as queries of them. So |y - z|^2 = |y|^2 + |z|^2 - 2 <y, z> takes one integer dot product, the same on every
CPU.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from quiredb.indexes.kernels.exact import L2
from quiredb.indexes.kernels.level import dot_codes
from quiredb.indexes.kernels.quantize import encode_query, normaliser, twice_signed
from quiredb.indexes.kernels.registry import filled, float32, float64, given, int8, int32, int64, kernel, uint8, void
from quiredb.indexes.kernels.simd import BLOCK


@kernel(void, given(float32, 2), given(float32), filled(int8, 2), filled(float64, 2))
def code_centroids(centroids: Any, centre: Any, codes: Any, terms: Any) -> None:
    """codes[K, stride] and terms[K] = (scale, offset, |z|^2) of each centroid."""
    for row in range(centroids.shape[0]):
        scale, offset, squared, _, _ = encode_query(centroids[row], centre, L2, codes[row])
        terms[row, 0], terms[row, 1], terms[row, 2] = scale, offset, squared


@kernel(
    void, given(int32), given(uint8, 2), given(float32), given(int8, 2), given(float64, 2), filled(int32),
    filled(float32),
)  # fmt: skip
def nearest_centroids(
    rows: Any, codes: Any, scales: Any, centroid_codes: Any, terms: Any, lists: Any, distances: Any
) -> None:
    """lists[i] = the centroid nearest to rows[i] (the first of equals), distances[i] = |z|^2 - 2 <y, z> with it.

    Add |y|^2 for the squared distance. O(K d / 64) instructions a row.
    """
    stride = codes.shape[1]
    blocks = stride // BLOCK
    for position in range(rows.shape[0]):
        row = np.int64(rows[position])
        address = codes.ctypes.data + row * stride
        best, least = 0, np.inf
        for centroid in range(centroid_codes.shape[0]):
            query = centroid_codes.ctypes.data + centroid * stride
            signed = twice_signed(dot_codes(address, query, blocks), np.int64(terms[centroid, 1]))
            distance = terms[centroid, 2] - np.float64(scales[row]) * terms[centroid, 0] * np.float64(signed)
            if distance < least:
                best, least = centroid, distance
        lists[position] = best
        distances[position] = np.float32(least)


@kernel(void, given(float32, 2), int64, given(int32), given(int32), filled(float64, 2), filled(int64))
def add_members(vectors: Any, metric: int, rows: Any, lists: Any, sums: Any, sizes: Any) -> None:
    """sums[lists[i]] += x' of rows[i] and sizes[lists[i]] += 1, in this order."""
    for position in range(rows.shape[0]):
        row: Any = np.int64(rows[position])
        target = lists[position]
        inverse = 1.0 / normaliser(vectors, row, metric)
        for i in range(vectors.shape[1]):
            sums[target, i] += np.float64(vectors[row, i]) * inverse
        sizes[target] += 1
