"""Sums over set bits against NumPy, for records of half a line, one line and several."""

from __future__ import annotations

import numba
import numpy as np
import pytest

from quiredb.indexes.kernels.sign_codes import record_stride, to_planes
from quiredb.indexes.kernels.sign_dots import LARGEST, TOGETHER, planes_length, sign_dots, sign_lines


@numba.njit
def _to_planes(source, target, length):
    return to_planes(source, target, length)


@numba.njit
def _sign_dots(records, stride, rows, rounds, planes, lines, out):
    sign_dots(records, stride, rows, rounds, planes, lines, out)


def summed(query: np.ndarray, records: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, float, int]:
    """The sums of the rounded query for these records, its step and its total."""
    size = query.shape[0]
    planes, out = np.zeros(planes_length(size), np.uint8), np.empty(rows.shape[0], np.int32)
    step, total = _to_planes(query.ctypes.data, planes.ctypes.data, size)
    _sign_dots(
        records.ctypes.data, records.shape[1], rows.ctypes.data, rows.shape[0] // TOGETHER, planes.ctypes.data,
        sign_lines(size), out.ctypes.data,
    )  # fmt: skip
    return out, step, total


@pytest.mark.parametrize("size", [64, 128, 192, 384, 512, 576, 832, 1024, 1536])
def test_the_sums_are_those_of_numpy(size: int) -> None:
    random = np.random.default_rng(size)
    records = random.integers(0, 256, (9, record_stride(size))).astype(np.uint8)
    records[0], records[1] = 255, 0
    rows = np.append(random.integers(0, 9, 10), [0, 1]).astype(np.int32)
    extremes = [np.full(size, value, np.float32) for value in (-1.0, 0.0, 1.0)]
    for query in (random.standard_normal(size).astype(np.float32), *extremes):
        found, step, total = summed(query, records, rows)
        rounded = np.rint(query / np.float32(step)).astype(np.int64) if step else np.zeros(size, np.int64)
        bits = np.unpackbits(records[rows, : size // 8], axis=1, bitorder="little").astype(np.int64)
        assert step == np.abs(query).max() / np.float32(LARGEST)
        assert total == rounded.sum()
        assert found.tolist() == (bits @ rounded).tolist()
