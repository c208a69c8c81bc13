"""The 8-bit quantiser row by row in NumPy float64, and the estimate and bound it promises."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class CodedRow:
    codes: NDArray[np.uint8]
    scale: float
    decoded: Floats
    original: Floats


@dataclass(frozen=True)
class CodedQuery:
    codes: NDArray[np.int8]
    scale: float
    decoded: Floats
    original: Floats
    base: float


def normalised(x: NDArray[np.float32], metric: str) -> Floats:
    wide = x.astype(np.float64)
    length = np.sqrt((wide * wide).sum())
    return wide / length if metric == "cosine" and length > 0 else wide


def encode_row(x: NDArray[np.float32], centre: NDArray[np.float32], metric: str) -> CodedRow:
    y = normalised(x, metric) - centre.astype(np.float64)
    scale = float(np.float32(np.abs(y).max() / 127.5))
    if scale < 1e-30:
        return CodedRow(np.full(len(y), 127, np.uint8), 0.0, np.zeros(len(y)), y)
    codes = np.clip(np.rint(y / scale + 127.5), 0, 255).astype(np.uint8)
    return CodedRow(codes, scale, scale * (codes.astype(np.float64) - 127.5), y)


def encode_query(q: NDArray[np.float32], centre: NDArray[np.float32], metric: str) -> CodedQuery:
    z, c = normalised(q, metric), centre.astype(np.float64)
    if metric == "l2":
        z = z - c
    base = float((z * z).sum()) if metric == "l2" else -float((z * c).sum())
    scale = float(np.abs(z).max() / 127.0)
    codes = np.rint(z / scale).astype(np.int8) if scale > 0 else np.zeros(len(z), np.int8)
    return CodedQuery(codes, scale, scale * codes.astype(np.float64), z, base)


def estimate(row: CodedRow, query: CodedQuery, metric: str) -> float:
    """What the integer dot product says about the score: squared distance for l2, else minus the inner product."""
    product = float((row.decoded * query.decoded).sum())
    if metric == "l2":
        return query.base + float((row.original**2).sum()) - 2 * product
    return query.base - product


def true_score(row: CodedRow, query: CodedQuery, metric: str) -> float:
    product = float((row.original * query.original).sum())
    if metric == "l2":
        return float(((query.original - row.original) ** 2).sum())
    return query.base - product


def bound(row: CodedRow, query: CodedQuery, metric: str) -> float:
    """Cauchy-Schwarz: how far the estimate can be from the true score."""
    error = np.linalg.norm(row.original - row.decoded)
    residue = np.linalg.norm(query.original - query.decoded)
    doubled = 2.0 if metric == "l2" else 1.0
    return float(doubled * (np.linalg.norm(query.decoded) * error + residue * np.linalg.norm(row.original)))
