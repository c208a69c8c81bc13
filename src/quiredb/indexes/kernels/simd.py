"""Instructions Numba cannot say: integer dot products, prefetch, memmove, memset.

Vector values are not first class in Numba, so each intrinsic is a whole loop that takes addresses and returns scalars.
The integer dot products are exact, hence equal on every CPU by definition.
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

_i8, _i16, _i32, _i64 = ir.IntType(8), ir.IntType(16), ir.IntType(32), ir.IntType(64)


def load_lanes(builder: Any, address: Any, offset: Any, element: Any, lanes: int) -> Any:
    """Load `lanes` elements from `address + offset` bytes, without assuming any alignment."""
    pointer = builder.inttoptr(builder.add(address, offset), ir.VectorType(element, lanes).as_pointer())
    loaded = builder.load(pointer)
    loaded.align = 1
    return loaded


def splat(builder: Any, value: Any, lanes: int) -> Any:
    """A vector with `value` in each of its lanes."""
    undefined = ir.Constant(ir.VectorType(value.type, lanes), ir.Undefined)
    single = builder.insert_element(undefined, value, ir.Constant(_i32, 0))
    return builder.shuffle_vector(single, undefined, ir.Constant(ir.VectorType(_i32, lanes), [0] * lanes))


def sum_lanes(builder: Any, vector: Any, lanes: int, add: Any) -> Any:
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
        return sum_lanes(builder, total, accumulator_lanes, builder.add)

    return generate


def add_products(builder: Any, total: Any, unsigned: Any, signed: Any) -> Any:
    """`total` (16 lanes of 32 bits) with the products of four bytes each, u8 and s8 in vectors, by `vpdpbusd`."""
    sums = ir.VectorType(_i32, 16)
    # LLVM 22 types the operands as bytes; before it they were 32-bit lanes.
    operand = ir.VectorType(_i8, 64) if llvm.llvm_version_info[0] >= 22 else sums
    function = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(sums, [sums, operand, operand]), "llvm.x86.avx512.vpdpbusd.512"
    )
    return builder.call(function, [total, builder.bitcast(unsigned, operand), builder.bitcast(signed, operand)])


def vnni_step(builder: Any, total: Any, codes: Any, query: Any, offset: Any) -> Any:
    """`total` (16 lanes of 32 bits) with the products of 64 bytes of u8 codes and s8 query."""
    left, right = (load_lanes(builder, side, offset, _i8, 64) for side in (codes, query))
    return add_products(builder, total, left, right)


def avx2_step(builder: Any, total: Any, codes: Any, query: Any, offset: Any) -> Any:
    """The same with a total of 8 lanes, by `vpmaddwd`."""
    # Widened to 16 bits first: vpmaddubsw would saturate with 8-bit codes.
    words, sums = ir.VectorType(_i16, 16), ir.VectorType(_i32, 8)
    function = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(sums, [words, words]), "llvm.x86.avx2.pmadd.wd"
    )
    for quarter in range(4):
        at = builder.add(offset, ir.Constant(_i64, 16 * quarter))
        left = builder.zext(load_lanes(builder, codes, at, _i8, 16), words)
        right = builder.sext(load_lanes(builder, query, at, _i8, 16), words)
        total = builder.add(total, builder.call(function, [left, right]))
    return total


def portable_step(builder: Any, total: Any, codes: Any, query: Any, offset: Any) -> Any:
    """The same with a total of 8 lanes, in generic vectors."""
    wide = ir.VectorType(_i32, 8)
    for eighth in range(8):
        at = builder.add(offset, ir.Constant(_i64, 8 * eighth))
        left = builder.zext(load_lanes(builder, codes, at, _i8, 8), wide)
        right = builder.sext(load_lanes(builder, query, at, _i8, 8), wide)
        total = builder.add(total, builder.mul(left, right))
    return total


@intrinsic
def dot_avx512_vnni(typing_context: Any, codes: Any, query: Any, blocks: Any) -> Any:
    """Sum of u8 codes times s8 query over whole blocks, as int32 (`vpdpbusd`, 64 products an instruction)."""
    return types.int32(types.uintp, types.uintp, types.intp), _integer_dot(vnni_step, 16)


@intrinsic
def dot_avx2(typing_context: Any, codes: Any, query: Any, blocks: Any) -> Any:
    """The same by `vpmaddwd` on AVX2."""
    return types.int32(types.uintp, types.uintp, types.intp), _integer_dot(avx2_step, 8)


@intrinsic
def dot_portable(typing_context: Any, codes: Any, query: Any, blocks: Any) -> Any:
    """The same in generic vectors, for whatever CPU LLVM knows."""
    return types.int32(types.uintp, types.uintp, types.intp), _integer_dot(portable_step, 8)


def ask_for_line(builder: Any, address: Any) -> None:
    """Prefetch the cache line of an address into the second-level cache."""
    pointer = _i8.as_pointer()
    function = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(ir.VoidType(), [pointer, _i32, _i32, _i32]), "llvm.prefetch.p0"
    )
    constants = [ir.Constant(_i32, value) for value in (0, 2, 1)]
    builder.call(function, [builder.inttoptr(address, pointer), *constants])


@intrinsic
def prefetch(typing_context: Any, address: Any, lines: Any) -> Any:
    """Ask for `lines` 64-byte cache lines from `address` on, into the second-level cache. Never faults.

    The first level is small, and its few outstanding misses are soon used up by rows of a kilobyte and more.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        start, count = arguments
        with cgutils.for_range(builder, count) as loop:
            ask_for_line(builder, builder.add(start, builder.mul(loop.index, ir.Constant(_i64, 64))))
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


@intrinsic
def clear_bytes(typing_context: Any, address: Any, size: Any) -> Any:
    """`memset` to zero."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address, size = arguments
        cgutils.memset(builder, builder.inttoptr(address, _i8.as_pointer()), size, 0)
        return context.get_dummy_value()

    return types.void(types.uintp, types.intp), generate
