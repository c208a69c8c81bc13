"""Integer dot products of one row with several others, wherever they are: the work of choosing neighbours.

Four rows at a time share every load of the one, and their sums are added across lanes together.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from quiredb.indexes.kernels.simd import BLOCK, avx2_step, load_lanes, portable_step, vnni_step

TOGETHER = 4
"""Rows of one round; rows are given in whole rounds."""

_i32, _i64 = ir.IntType(32), ir.IntType(64)
_INTERLEAVED = ([0, 4, 1, 5], [2, 6, 3, 7])
"""The halves of two vectors of four, side by side."""


def _sum_four(builder: Any, vectors: list[Any], lanes: int) -> Any:
    """A vector of four: the sum of the lanes of each of four vectors."""
    while lanes > TOGETHER:
        lanes //= 2
        index = ir.VectorType(_i32, lanes)
        sides = [ir.Constant(index, list(range(first, first + lanes))) for first in (0, lanes)]
        vectors = [builder.add(*(builder.shuffle_vector(whole, whole, side) for side in sides)) for whole in vectors]
    index = ir.VectorType(_i32, TOGETHER)
    while len(vectors) > 1:
        pairs = []
        for left, right in zip(vectors[: len(vectors) // 2], vectors[len(vectors) // 2 :], strict=True):
            halves = [builder.shuffle_vector(left, right, ir.Constant(index, side)) for side in _INTERLEAVED]
            pairs.append(builder.add(*halves))
        vectors = pairs
    return vectors[0]


def _integer_dots(step: Any, accumulator_lanes: int) -> Any:
    """The code generator of products with four rows at a time, which share every load of the one."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        codes, stride, rows, rounds, query, blocks, out = arguments
        vector = ir.VectorType(_i32, accumulator_lanes)
        totals = [cgutils.alloca_once(builder, vector) for _ in range(TOGETHER)]
        with cgutils.for_range(builder, rounds) as turn:
            at = builder.shl(turn.index, ir.Constant(_i64, 4))
            four = load_lanes(builder, rows, at, _i32, TOGETHER)
            addresses = []
            for index, total in enumerate(totals):
                row = builder.sext(builder.extract_element(four, ir.Constant(_i32, index)), _i64)
                addresses.append(builder.add(codes, builder.mul(row, stride)))
                builder.store(ir.Constant(vector, None), total)
            with cgutils.for_range(builder, blocks) as loop:
                offset = builder.shl(loop.index, ir.Constant(_i64, 6))
                for address, total in zip(addresses, totals, strict=True):
                    builder.store(step(builder, builder.load(total), address, query, offset), total)
            sums = _sum_four(builder, [builder.load(total) for total in totals], accumulator_lanes)
            target = builder.inttoptr(builder.add(out, at), ir.VectorType(_i32, TOGETHER).as_pointer())
            builder.store(sums, target).align = 4
        return context.get_dummy_value()

    return generate


_DOTS = types.void(types.uintp, types.intp, types.uintp, types.intp, types.uintp, types.intp, types.uintp)


@intrinsic
def dots_avx512_vnni(
    typing_context: Any, codes: Any, stride: Any, rows: Any, rounds: Any, query: Any, blocks: Any, out: Any
) -> Any:
    """out[i] (int32) = the product of row rows[i] (int32) of u8 codes and the s8 query, for i < 4 rounds.

    Addresses of codes (rows of `stride` bytes), rows, query (int8[64 blocks]) and out.
    """
    return _DOTS, _integer_dots(vnni_step, 16)


@intrinsic
def dots_avx2(
    typing_context: Any, codes: Any, stride: Any, rows: Any, rounds: Any, query: Any, blocks: Any, out: Any
) -> Any:
    """The same by `vpmaddwd` on AVX2."""
    return _DOTS, _integer_dots(avx2_step, 8)


@intrinsic
def dots_portable(
    typing_context: Any, codes: Any, stride: Any, rows: Any, rounds: Any, query: Any, blocks: Any, out: Any
) -> Any:
    """The same in generic vectors, for whatever CPU LLVM knows."""
    return _DOTS, _integer_dots(portable_step, 8)


def row_dots_agree_with_numpy(dots: Callable[[Any, Any, Any, Any], None]) -> bool:
    """Compare `dots(codes, rows, query, out)` with int64 NumPy on random and extreme inputs of several lengths."""
    random = np.random.default_rng(0)
    for blocks in (1, 2, 3, 6, 13):
        codes = random.integers(0, 256, (9, blocks * BLOCK)).astype(np.uint8)
        codes[0] = 255
        rows = np.array([0, 3, 8, 1, 0, 7, 2, 0], np.int32)
        extremes = np.full(blocks * BLOCK, -128, np.int8)
        for query in (extremes, random.integers(-128, 128, blocks * BLOCK).astype(np.int8)):
            out = np.empty(rows.shape[0], np.int32)
            dots(codes, rows, query, out)
            if not np.array_equal(out, codes[rows].astype(np.int64) @ query.astype(np.int64)):
                return False
    return True
