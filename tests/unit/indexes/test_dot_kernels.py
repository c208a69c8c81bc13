"""The integer dot product of every instruction level this CPU has, against int64 NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm
import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quiredb.indexes.kernels import row_dots, simd
from quiredb.indexes.kernels.level import LEVELS, available_levels

Dot = Callable[[int, int, int], int]


def one_row(dot: Any) -> Dot:
    @numba.njit
    def run(codes, query, blocks):
        return dot(codes, query, blocks)

    return run


def many_rows(dots: Any) -> Callable[..., None]:
    @numba.njit
    def run(codes, rows, query, out):
        dots(
            codes.ctypes.data, codes.shape[1], rows.ctypes.data, rows.shape[0] // 4, query.ctypes.data,
            query.shape[0] // 64, out.ctypes.data,
        )  # fmt: skip

    return run


KERNELS = dict(zip(LEVELS, map(one_row, (simd.dot_avx512_vnni, simd.dot_avx2, simd.dot_portable)), strict=True))
MANY_DOTS = (row_dots.dots_avx512_vnni, row_dots.dots_avx2, row_dots.dots_portable)
MANY = dict(zip(LEVELS, map(many_rows, MANY_DOTS), strict=True))
AVAILABLE = available_levels(dict(llvm.get_host_cpu_features()))


@pytest.mark.parametrize("level", AVAILABLE)
@settings(max_examples=60)
@given(data=st.data())
def test_agrees_with_int64_on_any_codes_at_any_alignment(level: str, data: st.DataObject) -> None:
    blocks = data.draw(st.integers(0, 33), "blocks")
    seed = data.draw(st.integers(0, 2**32 - 1), "seed")
    shift_codes = data.draw(st.integers(0, 63), "codes start at")
    shift_query = data.draw(st.integers(0, 63), "query starts at")
    size = 64 * blocks
    random = np.random.default_rng(seed)
    codes = random.choice(np.array([0, 1, 127, 128, 254, 255], np.uint8), size + 64)
    query = random.choice(np.array([-128, -127, -1, 0, 1, 127], np.int8), size + 64)
    codes, query = codes[shift_codes : shift_codes + size], query[shift_query : shift_query + size]
    expected = int(codes.astype(np.int64) @ query.astype(np.int64))
    assert KERNELS[level](codes.ctypes.data, query.ctypes.data, blocks) == expected


@pytest.mark.parametrize("level", AVAILABLE)
@pytest.mark.parametrize("query_value", [-128, 127])
def test_the_largest_dimension_at_the_extremes_does_not_saturate(level: str, query_value: int) -> None:
    codes, query = np.full(4096, 255, np.uint8), np.full(4096, query_value, np.int8)
    assert KERNELS[level](codes.ctypes.data, query.ctypes.data, 64) == 4096 * 255 * query_value


@pytest.mark.parametrize("level", AVAILABLE)
@settings(max_examples=40)
@given(blocks=st.integers(0, 20), rounds=st.integers(0, 5), spare=st.integers(0, 2), seed=st.integers(0, 2**32 - 1))
def test_products_with_many_rows_agree_with_int64(level: str, blocks: int, rounds: int, spare: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    codes = random.choice(np.array([0, 1, 127, 128, 254, 255], np.uint8), (7, 64 * (blocks + spare)))
    query = random.choice(np.array([-128, -127, -1, 0, 1, 127], np.int8), 64 * blocks)
    rows = random.integers(0, 7, 4 * rounds).astype(np.int32)
    out = np.full(4 * rounds + 1, 77, np.int32)
    MANY[level](codes, rows, query, out)
    expected = codes[rows, : 64 * blocks].astype(np.int64) @ query.astype(np.int64)
    assert out.tolist() == [*expected.tolist(), 77]


def test_levels_follow_the_features_and_the_cap() -> None:
    everything = {"avx512f": True, "avx512bw": True, "avx512vnni": True, "avx2": True}
    assert available_levels(everything) == list(LEVELS)
    assert available_levels(everything, "avx2") == ["avx2", "portable"]
    assert available_levels(everything, "portable") == ["portable"]
    assert available_levels({"avx512f": True, "avx2": True}) == ["avx2", "portable"]
    assert available_levels({}) == ["portable"]
