"""Instructions Numba cannot say: integer dot products, float64 sums over float32 rows, prefetch.

Vector values are not first class in Numba, so each intrinsic is a whole loop that takes addresses and returns scalars.
The float intrinsics use only generic LLVM vectors without fast-math flags: the order of additions is fixed by the
source, hence every CPU returns the same bits. The integer ones are exact, hence equal by definition.
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

BLOCK = 64
"""Bytes of one block of codes; rows of codes are padded to whole blocks."""

_LANES = 8
_i8, _i16, _i32, _i64, _f32, _f64 = (
    ir.IntType(8),
    ir.IntType(16),
    ir.IntType(32),
    ir.IntType(64),
    ir.FloatType(),
    ir.DoubleType(),
)


def _load(builder: Any, address: Any, offset: Any, element: Any, lanes: int) -> Any:
    """Load `lanes` elements from `address + offset` bytes, without assuming any alignment."""
    pointer = builder.inttoptr(builder.add(address, offset), ir.VectorType(element, lanes).as_pointer())
    loaded = builder.load(pointer)
    loaded.align = 1
    return loaded


def _sum_lanes(builder: Any, vector: Any, lanes: int, add: Any) -> Any:
    """Add all lanes by halving: lane i with lane i + half, until one is left."""
    while lanes > 1:
        half = lanes // 2
        undefined = ir.Constant(vector.type, ir.Undefined)
        index = ir.VectorType(_i32, half)
        low = builder.shuffle_vector(vector, undefined, ir.Constant(index, list(range(half))))
        high = builder.shuffle_vector(vector, undefined, ir.Constant(index, list(range(half, lanes))))
        vector, lanes = add(low, high), half
    return builder.extract_element(vector, ir.Constant(_i32, 0))


def _integer_dot(step: Any, accumulator_lanes: int) -> Any:
    """The code generator of a dot product that runs `step` over 64-byte blocks with two accumulators."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        codes, query, blocks = arguments
        vector = ir.VectorType(_i32, accumulator_lanes)
        even = cgutils.alloca_once_value(builder, ir.Constant(vector, None))
        odd = cgutils.alloca_once_value(builder, ir.Constant(vector, None))

        def run(accumulator: Any, offset: Any) -> None:
            builder.store(step(builder, builder.load(accumulator), codes, query, offset), accumulator)

        pairs = builder.lshr(blocks, ir.Constant(_i64, 1))
        with cgutils.for_range(builder, pairs) as loop:
            offset = builder.mul(loop.index, ir.Constant(_i64, 2 * BLOCK))
            run(even, offset)
            run(odd, builder.add(offset, ir.Constant(_i64, BLOCK)))
        is_odd = builder.trunc(blocks, ir.IntType(1))
        with builder.if_then(is_odd):
            run(even, builder.mul(pairs, ir.Constant(_i64, 2 * BLOCK)))
        total = builder.add(builder.load(even), builder.load(odd))
        return _sum_lanes(builder, total, accumulator_lanes, builder.add)

    return generate


def _vnni_step(builder: Any, total: Any, codes: Any, query: Any, offset: Any) -> Any:
    sums = ir.VectorType(_i32, 16)
    # LLVM 22 types the operands as bytes; before it they were 32-bit lanes.
    operand = ir.VectorType(_i8, 64) if llvm.llvm_version_info[0] >= 22 else sums
    function = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(sums, [sums, operand, operand]), "llvm.x86.avx512.vpdpbusd.512"
    )
    left = builder.bitcast(_load(builder, codes, offset, _i8, 64), operand)
    right = builder.bitcast(_load(builder, query, offset, _i8, 64), operand)
    return builder.call(function, [total, left, right])


def _avx2_step(builder: Any, total: Any, codes: Any, query: Any, offset: Any) -> Any:
    # Widened to 16 bits first: vpmaddubsw would saturate with 8-bit codes.
    words, sums = ir.VectorType(_i16, 16), ir.VectorType(_i32, 8)
    function = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(sums, [words, words]), "llvm.x86.avx2.pmadd.wd"
    )
    for quarter in range(4):
        at = builder.add(offset, ir.Constant(_i64, 16 * quarter))
        left = builder.zext(_load(builder, codes, at, _i8, 16), words)
        right = builder.sext(_load(builder, query, at, _i8, 16), words)
        total = builder.add(total, builder.call(function, [left, right]))
    return total


def _portable_step(builder: Any, total: Any, codes: Any, query: Any, offset: Any) -> Any:
    wide = ir.VectorType(_i32, 8)
    for eighth in range(8):
        at = builder.add(offset, ir.Constant(_i64, 8 * eighth))
        left = builder.zext(_load(builder, codes, at, _i8, 8), wide)
        right = builder.sext(_load(builder, query, at, _i8, 8), wide)
        total = builder.add(total, builder.mul(left, right))
    return total


@intrinsic
def dot_avx512_vnni(typing_context: Any, codes: Any, query: Any, blocks: Any) -> Any:
    """Sum of u8 codes times s8 query over whole blocks, as int32 (`vpdpbusd`, 64 products an instruction)."""
    return types.int32(types.uintp, types.uintp, types.intp), _integer_dot(_vnni_step, 16)


@intrinsic
def dot_avx2(typing_context: Any, codes: Any, query: Any, blocks: Any) -> Any:
    """The same by `vpmaddwd` on AVX2."""
    return types.int32(types.uintp, types.uintp, types.intp), _integer_dot(_avx2_step, 8)


@intrinsic
def dot_portable(typing_context: Any, codes: Any, query: Any, blocks: Any) -> Any:
    """The same in generic vectors, for whatever CPU LLVM knows."""
    return types.int32(types.uintp, types.uintp, types.intp), _integer_dot(_portable_step, 8)


@intrinsic
def prefetch(typing_context: Any, address: Any, lines: Any) -> Any:
    """Ask for `lines` 64-byte cache lines from `address` on. Never faults."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        start, count = arguments
        pointer = _i8.as_pointer()
        function = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(ir.VoidType(), [pointer, _i32, _i32, _i32]), "llvm.prefetch.p0"
        )
        constants = [ir.Constant(_i32, value) for value in (0, 3, 1)]
        with cgutils.for_range(builder, count) as loop:
            at = builder.add(start, builder.mul(loop.index, ir.Constant(_i64, 64)))
            builder.call(function, [builder.inttoptr(at, pointer), *constants])
        return context.get_dummy_value()

    return types.void(types.uintp, types.intp), generate


@intrinsic
def move_bytes(typing_context: Any, target: Any, source: Any, size: Any) -> Any:
    """`memmove`: the ranges may overlap."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        target, source, size = arguments
        pointer = _i8.as_pointer()
        cgutils.raw_memmove(
            builder, builder.inttoptr(target, pointer), builder.inttoptr(source, pointer), size, ir.Constant(_i64, 1)
        )
        return context.get_dummy_value()

    return types.void(types.uintp, types.uintp, types.intp), generate


def _float_sums(body: Any, outputs: int) -> Any:
    """The code generator of float64 sums over two float32 rows.

    `body(builder, query, row)` yields the addends of each output. Two accumulators of eight lanes take alternate
    groups of eight; the rest of the row is added one by one to a scalar, which is added last.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        query, row, length = arguments
        vector = ir.VectorType(_f64, _LANES)
        sums = [
            [cgutils.alloca_once_value(builder, ir.Constant(vector, None)) for _ in range(2)] for _ in range(outputs)
        ]
        rest = [cgutils.alloca_once_value(builder, ir.Constant(_f64, 0.0)) for _ in range(outputs)]

        def run(offset: Any, lanes: int, targets: list[Any]) -> None:
            kind = ir.VectorType(_f64, lanes) if lanes > 1 else _f64
            wide = []
            for address in (query, row):
                loaded = _load(builder, address, offset, _f32, lanes)
                if lanes == 1:
                    loaded = builder.extract_element(loaded, ir.Constant(_i32, 0))
                wide.append(builder.fpext(loaded, kind))
            for target, addend in zip(targets, body(builder, *wide), strict=True):
                builder.store(builder.fadd(builder.load(target), addend), target)

        groups = builder.lshr(length, ir.Constant(_i64, 4))
        with cgutils.for_range(builder, groups) as loop:
            offset = builder.mul(loop.index, ir.Constant(_i64, 64))
            run(offset, _LANES, [pair[0] for pair in sums])
            run(builder.add(offset, ir.Constant(_i64, 32)), _LANES, [pair[1] for pair in sums])
        done = builder.shl(groups, ir.Constant(_i64, 4))
        with cgutils.for_range(builder, builder.sub(length, done)) as loop:
            run(builder.mul(builder.add(done, loop.index), ir.Constant(_i64, 4)), 1, rest)
        results = []
        for pair, scalar in zip(sums, rest, strict=True):
            total = builder.fadd(builder.load(pair[0]), builder.load(pair[1]))
            results.append(builder.fadd(_sum_lanes(builder, total, _LANES, builder.fadd), builder.load(scalar)))
        return results[0] if outputs == 1 else cgutils.pack_array(builder, results)

    return generate


@intrinsic
def dot_and_norm(typing_context: Any, query: Any, row: Any, length: Any) -> Any:
    """`(<q, x>, <x, x>)` of two float32 rows, accumulated in float64 (products of float32 are exact there)."""

    def body(builder: Any, q: Any, x: Any) -> list[Any]:
        return [builder.fmul(q, x), builder.fmul(x, x)]

    return types.UniTuple(types.float64, 2)(types.uintp, types.uintp, types.intp), _float_sums(body, 2)


@intrinsic
def squared_distance(typing_context: Any, query: Any, row: Any, length: Any) -> Any:
    """`|q - x|^2` of two float32 rows: differences, squares and sums in float64."""

    def body(builder: Any, q: Any, x: Any) -> list[Any]:
        difference = builder.fsub(q, x)
        return [builder.fmul(difference, difference)]

    return types.float64(types.uintp, types.uintp, types.intp), _float_sums(body, 1)
