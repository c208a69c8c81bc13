"""Estimates of sixteen records at a time against NumPy."""

from __future__ import annotations

import numba
import numpy as np
import pytest

from quiredb.indexes.kernels.sign_bounds import LANES, estimate_sixteen


@numba.njit
def _estimate(factors, stride, rows, dots, step, shift, limit, out):
    return estimate_sixteen(
        factors.ctypes.data, stride, rows.ctypes.data, dots.ctypes.data, step, shift, limit, out.ctypes.data
    )


@pytest.mark.parametrize("stride", [32, 64, 192])
def test_the_estimates_and_what_is_below_the_limit_are_those_of_numpy(stride: int) -> None:
    random = np.random.default_rng(stride)
    factors = random.standard_normal((40, stride // 4)).astype(np.float32)
    factors[3, 0], factors[4, 1] = np.inf, np.nan
    step, shift = np.float32(0.37), np.float32(-1.25)
    rows = random.integers(0, 40, LANES).astype(np.int32)
    rows[:3] = (3, 4, 39)
    dots = random.integers(-900, 900, LANES).astype(np.int32)
    expected = factors[rows, 0] + factors[rows, 1] * (step * dots.astype(np.float32) + shift)
    for limit in (np.float32(np.inf), expected[5], np.float32(-1e9)):
        out = np.empty(LANES, np.float32)
        bits = int(_estimate(factors, stride, rows, dots, step, shift, limit, out))
        np.testing.assert_array_equal(out, expected)
        assert [bool(bits >> lane & 1) for lane in range(LANES)] == (~(expected > limit)).tolist()
