"""One-bit codes: the scan of every instruction level against NumPy, the table, and the estimator's honesty."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm
import numba
import numpy as np
import pytest
from numpy.typing import NDArray

from quiredb.indexes.kernels import fast_scan
from quiredb.indexes.kernels.level import LEVELS, available_levels


def of_block(scan: Any) -> Callable[..., int]:
    @numba.njit
    def run(codes, table, factors, scale, shift, threshold, out):
        return scan(
            codes.ctypes.data, table.ctypes.data, codes.shape[0] // 256, factors.ctypes.data, scale, shift, threshold,
            out.ctypes.data,
        )  # fmt: skip

    return run


BLOCK_SCANS = (fast_scan.scan_avx512, fast_scan.scan_avx2, fast_scan.scan_portable)
SCANS = dict(zip(LEVELS, map(of_block, BLOCK_SCANS), strict=True))
AVAILABLE = available_levels(dict(llvm.get_host_cpu_features()))


def definition(codes: NDArray[np.uint8], table: NDArray[np.uint8], vector: int) -> int:
    """The sum of one vector, straight from the layout's words."""
    j = vector % 16
    place = 2 * j if j < 8 else 2 * (j - 8) + 1
    total = 0
    for group in range(codes.shape[0] // 16):
        byte = int(codes[16 * group + place])
        total += int(table[16 * group + (byte & 15 if vector < 16 else byte >> 4)])
    return total


@numba.njit
def _pack(rows, block):
    for lane in range(rows.shape[0]):
        fast_scan.pack_signs(rows[lane], lane, block)


@numba.njit
def _table(z, table):
    return fast_scan.build_table(z, table)


def packed(rows: NDArray[np.float32]) -> NDArray[np.uint8]:
    block = np.zeros(4 * rows.shape[1], np.uint8)
    _pack(rows, block)
    return block


@pytest.mark.parametrize("level", AVAILABLE)
@pytest.mark.parametrize("steps", [1, 2, 5, 6, 15, 16, 17, 24, 32, 33, 64])
def test_a_scan_is_the_sum_of_its_look_ups(level: str, steps: int) -> None:
    random = np.random.default_rng(steps)
    codes = random.integers(0, 256, 256 * steps).astype(np.uint8)
    factors = np.concatenate([np.zeros(32), np.ones(32)]).astype(np.float32)
    for table in (fast_scan.plain_table(random.integers(-31, 32, 64 * steps)), np.full(256 * steps, 255, np.uint8)):
        out = np.empty(32, np.float32)
        one, none = np.float32(1), np.float32(0)
        bits = SCANS[level](codes, table, factors, one, none, np.float32(np.inf), out)
        assert bits == 2**32 - 1
        assert out.tolist() == [definition(codes, table, vector) for vector in range(32)]


@pytest.mark.parametrize("level", AVAILABLE)
def test_estimates_are_float32_in_the_written_order_and_the_mask_is_strict(level: str) -> None:
    random = np.random.default_rng(1)
    codes = random.integers(0, 256, 1536).astype(np.uint8)
    table = fast_scan.plain_table(random.integers(-31, 32, 384))
    factors = random.standard_normal(64).astype(np.float32)
    factors[3], factors[40] = np.inf, 0
    scale, shift = np.float32(0.0173), np.float32(-91.37)
    sums = np.array([definition(codes, table, vector) for vector in range(32)], np.float32)
    expected = factors[:32] + factors[32:] * (scale * sums + shift)
    out = np.empty(32, np.float32)
    for threshold in (expected[7], np.float32(np.inf), np.float32(-np.inf)):
        bits = SCANS[level](codes, table, factors, scale, shift, threshold, out)
        assert np.array_equal(out, expected)
        assert [bool(bits >> lane & 1) for lane in range(32)] == (expected < threshold).tolist()


@pytest.mark.parametrize("size", [64, 384, 1088, 2048])
def test_packed_signs_and_table_give_the_product_of_signs_and_query(size: int) -> None:
    random = np.random.default_rng(size)
    rows = random.standard_normal((32, size)).astype(np.float32)
    z = random.standard_normal(size).astype(np.float32)
    table = np.empty(4 * size, np.uint8)
    step, shift = _table(z, table)
    sums = fast_scan.plain_sums(packed(rows), table)
    r = np.rint(z * (np.float32(1) / np.float32(step))).astype(np.int64)
    assert np.array_equal(table, fast_scan.plain_table(r))
    assert np.array_equal(sums - 32 * size, np.where(rows > 0, 1, -1) @ r)
    estimates = step * sums + shift
    assert np.abs(estimates - np.where(rows > 0, 1, -1) @ z.astype(np.float64)).max() < step * np.sqrt(size)


@pytest.mark.parametrize("z", [np.zeros(64), np.full(64, 1e-38), np.full(64, 1e30), np.r_[1e30, np.zeros(63)]])
def test_an_awkward_query_has_a_table_without_overflow(z: NDArray[np.float64]) -> None:
    table = np.empty(256, np.uint8)
    step, shift = _table(z.astype(np.float32), table)
    rows = np.where(np.arange(64) % 2 == 0, 1, -1) * np.ones((32, 1))
    estimate = step * fast_scan.plain_sums(packed(rows.astype(np.float32)), table) + shift
    assert np.isfinite(estimate).all()
    assert np.abs(estimate - rows[0] @ z).max() <= 0.05 * np.abs(z).sum()


def test_estimates_are_unbiased_with_the_stated_spread() -> None:
    random = np.random.default_rng(5)
    size, count = 384, 4096
    rows = random.standard_normal((count, size)).astype(np.float32)
    z = random.standard_normal(size).astype(np.float32)
    table = np.empty(4 * size, np.uint8)
    step, shift = _table(z, table)
    sums = np.concatenate([fast_scan.plain_sums(packed(rows[i : i + 32]), table) for i in range(0, count, 32)])
    rho = (rows**2).sum(axis=1) / np.abs(rows).sum(axis=1)
    errors = (rho * (step * sums + shift) - rows @ z) / (rho * np.linalg.norm(z))
    assert abs(errors.mean()) < 4 * fast_scan.SPREAD / np.sqrt(count)
    assert 0.95 < errors.std() / fast_scan.SPREAD < 1.05
