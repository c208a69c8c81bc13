"""Sums of a query's bytes over the set bits of many records: the innermost loop of a graph search.

Four records at a time share every load of the query. The sums are integers, hence equal on every CPU.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from quiredb.indexes.kernels.simd import load_lanes, sum_lanes

TOGETHER = 4
"""Records of one round; rows are given in whole rounds."""
_i1, _i8, _i16, _i32, _i64 = (ir.IntType(bits) for bits in (1, 8, 16, 32, 64))
_BYTES = ir.VectorType(_i8, 64)


def _selected(builder: Any, query: Any, word: Any) -> Any:
    """The query's 64 bytes where the word's bits are set, else 0."""
    return builder.select(builder.bitcast(word, ir.VectorType(_i1, 64)), query, ir.Constant(_BYTES, None))


def _add_vnni(builder: Any, total: Any, query: Any, word: Any) -> Any:
    """`vpdpbusd` with ones adds four neighbouring bytes to each of 16 lanes."""
    sums = ir.VectorType(_i32, 16)
    # LLVM 22 types the operands as bytes; before it they were 32-bit lanes.
    operand = _BYTES if llvm.llvm_version_info[0] >= 22 else sums
    function = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(sums, [sums, operand, operand]), "llvm.x86.avx512.vpdpbusd.512"
    )
    ones = builder.bitcast(ir.Constant(_BYTES, [1] * 64), operand)
    return builder.call(function, [total, ones, builder.bitcast(_selected(builder, query, word), operand)])


def _add_portable(builder: Any, total: Any, query: Any, word: Any) -> Any:
    """64 lanes of 16 bits: they hold more than 250 blocks, some 16,000 dimensions."""
    return builder.add(total, builder.sext(_selected(builder, query, word), ir.VectorType(_i16, 64)))


def _sums(add: Callable[[Any, Any, Any, Any], Any], lane: Any, lanes: int) -> Any:
    """The code generator of a kernel that runs `add` over the blocks of all records."""
    accumulator = ir.VectorType(lane, lanes)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        records, stride, rows, rounds, query, blocks, out = arguments
        zero = ir.Constant(accumulator, None)
        totals = [cgutils.alloca_once(builder, accumulator) for _ in range(TOGETHER)]

        def four_bytes(base: Any, index: int) -> Any:
            at = builder.add(base, ir.Constant(_i64, 4 * index))
            return builder.inttoptr(at, _i32.as_pointer())

        with cgutils.for_range(builder, rounds) as turn:
            offset = builder.shl(turn.index, ir.Constant(_i64, 4))
            first = builder.add(rows, offset)
            addresses = []
            for index in range(TOGETHER):
                row = builder.sext(builder.load(four_bytes(first, index)), _i64)
                addresses.append(builder.add(records, builder.mul(row, stride)))
                builder.store(zero, totals[index])
            with cgutils.for_range(builder, blocks) as block:
                part = load_lanes(builder, query, builder.shl(block.index, ir.Constant(_i64, 6)), _i8, 64)
                at = builder.shl(block.index, ir.Constant(_i64, 3))
                for address, total in zip(addresses, totals, strict=True):
                    word = builder.load(builder.inttoptr(builder.add(address, at), _i64.as_pointer()))
                    builder.store(add(builder, builder.load(total), part, word), total)
            results = builder.add(out, offset)
            for index, total in enumerate(totals):
                wide = builder.sext(builder.load(total), ir.VectorType(_i32, lanes)) if lane != _i32 else None
                value = sum_lanes(builder, wide or builder.load(total), lanes, builder.add)
                builder.store(value, four_bytes(results, index))
        return context.get_dummy_value()

    return generate


_SIGNATURE = types.void(
    types.uintp, types.intp, types.uintp, types.intp, types.uintp, types.intp, types.uintp
)  # fmt: skip


@intrinsic
def sign_dots_avx512_vnni(
    typing_context: Any, records: Any, stride: Any, rows: Any, rounds: Any, query: Any, blocks: Any, out: Any
) -> Any:
    """out[i] (int32) = sum of the query's bytes over the set bits of record rows[i] (int32), i < 4 rounds.

    Addresses of records, rows, query (int8[64 blocks]) and out; a record's first 8 blocks bytes are its bits.
    """
    return _SIGNATURE, _sums(_add_vnni, _i32, 16)


@intrinsic
def sign_dots_portable(
    typing_context: Any, records: Any, stride: Any, rows: Any, rounds: Any, query: Any, blocks: Any, out: Any
) -> Any:
    """The same in generic vectors, for whatever CPU LLVM knows."""
    return _SIGNATURE, _sums(_add_portable, _i16, 64)


def plain_sign_dots(records: NDArray[np.uint8], rows: NDArray[np.int32], query: NDArray[np.int8]) -> NDArray[np.int64]:
    """The same by NumPy, which every level must give."""
    bits = np.unpackbits(records[rows, : query.shape[0] // 8], axis=1, bitorder="little")
    return bits.astype(np.int64) @ query.astype(np.int64)
