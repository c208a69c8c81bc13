"""All integer dot products between eight rows and a block of 32: the work of comparing all rows of a leaf.

The 32 rows are packed so that one vector holds the same four numbers of 16 rows; the four bytes of the one row are
spread over a vector, and each lane of an accumulator is the sum of one pair. So there are no horizontal sums, and
every vector that is loaded is used eight times.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from quiredb.indexes.kernels.simd import add_products, load_lanes, splat, sum_lanes

LANES = 16
"""Rows whose sums share a vector."""
ROWS, GROUPS = 8, 2
"""A call compares ROWS rows with GROUPS x LANES packed ones."""
WORD = 4
"""Bytes of a row that meet at a time."""

_i16, _i32, _i64, _f32 = ir.IntType(16), ir.IntType(32), ir.IntType(64), ir.FloatType()
_sums, _floats = ir.VectorType(_i32, LANES), ir.VectorType(_f32, LANES)
_words = ir.VectorType(_i16, LANES)


def _each(vector: Any, value: int) -> Any:
    return ir.Constant(vector, [value] * LANES)


def _avx2_step(builder: Any, total: Any, packed: Any, signed: Any) -> Any:
    # Even and odd bytes as 16-bit numbers: vpmaddubsw would saturate with 8-bit codes.
    function = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(ir.VectorType(_i32, 8), [_words, _words]), "llvm.x86.avx2.pmadd.wd"
    )
    pairs, index = ir.VectorType(_i16, 2 * LANES), ir.VectorType(_i32, LANES)
    eight, low = ir.Constant(pairs, [8] * 2 * LANES), ir.Constant(pairs, [255] * 2 * LANES)
    left, right = builder.bitcast(packed, pairs), builder.bitcast(signed, pairs)
    evens = builder.and_(left, low), builder.ashr(builder.shl(right, eight), eight)
    odds = builder.lshr(left, eight), builder.ashr(right, eight)
    for unsigned, factor in (evens, odds):
        halves = []
        for first in (0, LANES):
            half = ir.Constant(index, list(range(first, first + LANES)))
            operands = [builder.shuffle_vector(side, side, half) for side in (unsigned, factor)]
            halves.append(builder.call(function, operands))
        total = builder.add(total, builder.shuffle_vector(*halves, ir.Constant(index, list(range(LANES)))))
    return total


def _portable_step(builder: Any, total: Any, packed: Any, signed: Any) -> Any:
    for byte in range(WORD):
        unsigned = builder.and_(builder.lshr(packed, _each(_sums, 8 * byte)), _each(_sums, 255))
        factor = builder.ashr(builder.shl(signed, _each(_sums, 24 - 8 * byte)), _each(_sums, 24))
        total = builder.add(total, builder.mul(unsigned, factor))
    return total


def _leaf_dots(step: Any, rows: int, groups: int) -> Any:
    """The code generator for `step`, with rows x groups accumulators at a time."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        signed, stride, packed, steps, out, out_stride = arguments
        group_size = builder.shl(steps, ir.Constant(_i64, 6))

        def along(base: Any, size: Any, times: int) -> Any:
            return builder.add(base, builder.mul(size, ir.Constant(_i64, times)))

        def block(first_row: int, first_group: int) -> None:
            lines = [along(signed, stride, first_row + i) for i in range(rows)]
            columns = [along(packed, group_size, first_group + g) for g in range(groups)]
            totals = [[cgutils.alloca_once_value(builder, ir.Constant(_sums, None)) for _ in columns] for _ in lines]
            with cgutils.for_range(builder, steps) as loop:
                at = builder.shl(loop.index, ir.Constant(_i64, 6))
                loaded = [load_lanes(builder, column, at, _i32, LANES) for column in columns]
                for line, accumulators in zip(lines, totals, strict=True):
                    word = builder.add(line, builder.shl(loop.index, ir.Constant(_i64, 2)))
                    factor = splat(builder, builder.load(builder.inttoptr(word, _i32.as_pointer())), LANES)
                    for vector, total in zip(loaded, accumulators, strict=True):
                        builder.store(step(builder, builder.load(total), vector, factor), total)
            for i, accumulators in enumerate(totals):
                for g, total in enumerate(accumulators):
                    at = builder.add(along(out, out_stride, first_row + i), ir.Constant(_i64, 64 * (first_group + g)))
                    builder.store(builder.load(total), builder.inttoptr(at, _sums.as_pointer())).align = 4

        for first_row in range(0, ROWS, rows):
            for first_group in range(0, GROUPS, groups):
                block(first_row, first_group)
        return context.get_dummy_value()

    return generate


_SIGNATURE = types.void(types.uintp, types.intp, types.uintp, types.intp, types.uintp, types.intp)


@intrinsic
def leaf_dots_avx512_vnni(
    typing_context: Any, signed: Any, stride: Any, packed: Any, steps: Any, out: Any, out_stride: Any
) -> Any:
    """out[i, j] = sum of s8 row i (0..7) times u8 packed row j (0..31), over 4 `steps` bytes; strides in bytes.

    All by address: signed[8, stride], packed[2 groups, steps, 16 rows, 4 bytes], out int32[8, out_stride].
    """
    return _SIGNATURE, _leaf_dots(add_products, 8, 2)


@intrinsic
def leaf_dots_avx2(
    typing_context: Any, signed: Any, stride: Any, packed: Any, steps: Any, out: Any, out_stride: Any
) -> Any:
    """The same by `vpmaddwd` on AVX2."""
    return _SIGNATURE, _leaf_dots(_avx2_step, 2, 2)


@intrinsic
def leaf_dots_portable(
    typing_context: Any, signed: Any, stride: Any, packed: Any, steps: Any, out: Any, out_stride: Any
) -> Any:
    """The same in generic vectors, for whatever CPU LLVM knows."""
    return _SIGNATURE, _leaf_dots(_portable_step, 2, 1)


def plain_leaf_dots(signed: NDArray[np.int8], packed: NDArray[np.uint8]) -> NDArray[np.int64]:
    """What the others compute, in NumPy: packed is [2, steps, 16, 4]."""
    rows = packed.transpose(0, 2, 1, 3).reshape(GROUPS * LANES, -1)
    return signed.astype(np.int64) @ rows.astype(np.int64).T


def leaf_dots_agree_with_numpy(dots: Callable[[Any, Any, Any], None]) -> bool:
    """Compare `dots(signed, packed, out)` with NumPy on random and extreme inputs of several lengths."""
    random = np.random.default_rng(0)
    for steps in (16, 48, 208):
        packed = random.integers(0, 256, (GROUPS, steps, LANES, WORD)).astype(np.uint8)
        packed[0] = 255
        signed = random.integers(-128, 128, (ROWS, WORD * steps)).astype(np.int8)
        signed[0] = -128
        out = np.empty((ROWS, GROUPS * LANES), np.int32)
        dots(signed, packed, out)
        if not np.array_equal(out, plain_leaf_dots(signed, packed)):
            return False
    return True


@intrinsic
def lanes_within(typing_context: Any, address: Any, limit: Any) -> Any:
    """Bit i of the result: float i of the 16 at `address` is at most `limit`."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        values = load_lanes(builder, arguments[0], ir.Constant(_i64, 0), _f32, LANES)
        within = builder.fcmp_ordered("<=", values, splat(builder, arguments[1], LANES))
        return builder.zext(builder.bitcast(within, _i16), _i64)

    return types.uint64(types.uintp, types.float32), generate


def _least_vector(builder: Any, address: Any, blocks: Any) -> Any:
    """The lanes' least over `blocks` vectors."""
    least = cgutils.alloca_once_value(builder, ir.Constant(_floats, [float("inf")] * LANES))
    with cgutils.for_range(builder, blocks) as loop:
        values = load_lanes(builder, address, builder.shl(loop.index, ir.Constant(_i64, 6)), _f32, LANES)
        so_far = builder.load(least)
        builder.store(builder.select(builder.fcmp_ordered("<", values, so_far), values, so_far), least)
    return builder.load(least)


@intrinsic
def least_by_lane(typing_context: Any, address: Any, blocks: Any, out: Any) -> Any:
    """Float i of the 16 at `out` = the least in lane i of `blocks` vectors, inf at most."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address, blocks, out = arguments
        pointer = builder.inttoptr(out, _floats.as_pointer())
        builder.store(_least_vector(builder, address, blocks), pointer).align = 4
        return context.get_dummy_value()

    return types.void(types.uintp, types.intp, types.uintp), generate


@intrinsic
def least_of_lanes(typing_context: Any, address: Any, blocks: Any) -> Any:
    """The least of the 16 `blocks` floats, inf at most."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address, blocks = arguments

        def lesser(low: Any, high: Any) -> Any:
            return builder.select(builder.fcmp_ordered("<", low, high), low, high)

        return sum_lanes(builder, _least_vector(builder, address, blocks), LANES, lesser)

    return types.float32(types.uintp, types.intp), generate
