"""Distances between coded rows and the alpha-rule that chooses a node's neighbours.

Both rows are codes: with u unsigned and g = u - 128 of the other row, I = sum u g is one integer dot product and
4 <w, w'> = 4 I + 2 sum u - 510 (sum u' - 128 d) - 255 d for w = u - 127.5, exactly. The padding of g meets zeros.
The rule is Vamana's RobustPrune (DiskANN, NeurIPS 2019): going outwards, keep a candidate unless a kept one is nearer
to it by the factor alpha than the node itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from quiredb.indexes.kernels.level import dot_codes
from quiredb.indexes.kernels.registry import helper
from quiredb.indexes.kernels.simd import BLOCK, prefetch


@helper
def as_signed(codes: Any, row: int, out: Any) -> None:
    """out = codes[row] - 128, as the signed operand of `dot_codes`."""
    for i in range(out.shape[0]):
        out[i] = np.int8(codes[row, i] ^ np.uint8(128))


@helper
def fetch_codes(codes: Any, row: int) -> None:
    """Prefetch the codes of a row."""
    prefetch(codes.ctypes.data + np.int64(row) * codes.shape[1], codes.shape[1] // BLOCK)


@helper
def coded_distance(
    signed: Any, other: int, row: int, codes: Any, scales: Any, sums: Any, squares: Any, asides: Any, dimension: int
) -> Any:
    """Squared distance of the coded rows `other` (whose signed codes are at hand) and `row`."""
    stride = codes.shape[1]
    dot = np.int64(dot_codes(codes.ctypes.data + np.int64(row) * stride, signed.ctypes.data, stride // BLOCK))
    product = 4 * dot + 2 * np.int64(sums[row]) - 510 * (np.int64(sums[other]) - 128 * dimension) - 255 * dimension
    distance = squares[row] + squares[other] - np.float32(0.5) * scales[row] * scales[other] * np.float32(product)
    if asides.shape[0] > 0:
        gap = asides[row] - asides[other]
        distance += gap * gap
    return distance


@helper
def prune(
    candidates: Any, distances: Any, size: int, limit: int, alpha: Any, codes: Any, scales: Any, sums: Any,
    squares: Any, asides: Any, dimension: int, kept_codes: Any, compared: Any, out: Any,
) -> int:  # fmt: skip
    """Choose at most `limit` of the candidates into out; returns how many.

    They come in ascending order of their distance to the node, which is not among them.
    A first round covers by plain comparison, which spreads the edges widest; a second one fills the slots left over
    by the factor `alpha` (of squared distances). It goes on where the first one stopped comparing a candidate: what did
    not cover it then does not cover it now. kept_codes[limit, stride] and compared[size] are scratch; candidates are
    used up.
    """
    kept = 0
    for i in range(size):
        compared[i] = 0
    for stretch in (np.float32(1.0), alpha):
        for position in range(size):
            row = candidates[position]
            if row < 0:
                continue
            covered, distance = False, distances[position]
            for other in range(compared[position], kept):
                between = coded_distance(
                    kept_codes[other], out[other], row, codes, scales, sums, squares, asides, dimension
                )
                if stretch * between <= distance:
                    covered = True
                    compared[position] = other + 1
                    if alpha * between <= distance:
                        candidates[position] = ~row
                    break
            if covered:
                continue
            as_signed(codes, row, kept_codes[kept])
            out[kept] = row
            candidates[position] = ~row
            kept += 1
            if kept == limit:
                return kept
    return kept
