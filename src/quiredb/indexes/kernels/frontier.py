"""The frontier of a walk: a heap whose nodes have eight children, side by side in one cache line.

Entries are int64 keys that order by (score, row): the high half is the float32 score as an integer of the same order,
the low half twice the row number plus a flag. A pop looks at one line of eight a level, so that a frontier of some
hundreds is two or three lines deep. Node j is heap[j + 7] and its children heap[8 j + 8 ... 8 j + 15]; whatever is not
in use holds NOTHING. Source: d-ary heaps (Johnson, 1975), aligned as in LaMarca and Ladner (1996).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from quiredb.indexes.kernels.registry import helper
from quiredb.indexes.kernels.simd import load_lanes, splat

ROOT = 7
"""Where the least key is: the children of all nodes then begin on cache lines."""
NOTHING = np.int64(np.iinfo(np.int64).max)
_i1, _i8, _i32, _i64, _f32 = ir.IntType(1), ir.IntType(8), ir.IntType(32), ir.IntType(64), ir.FloatType()


def heap_length(capacity: int) -> int:
    """How long the array of a heap must be that holds `capacity` keys."""
    return capacity + ROOT + 16


def _ordered(builder: Any, bits: Any) -> Any:
    """Float bits <-> integers that order alike: negative numbers have their magnitude bits flipped."""
    sign = builder.ashr(bits, ir.Constant(_i32, 31))
    return builder.xor(bits, builder.and_(sign, ir.Constant(_i32, 0x7FFFFFFF)))


@intrinsic
def as_key(typing_context: Any, score: Any, row: Any, flag: Any) -> Any:
    """The key of a score (float32), a row (below 2^31) and a flag (0 or 1)."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        score, row, flag = arguments
        high = builder.shl(builder.sext(_ordered(builder, builder.bitcast(score, _i32)), _i64), ir.Constant(_i64, 32))
        return builder.or_(high, builder.or_(builder.shl(row, ir.Constant(_i64, 1)), flag))

    return types.int64(types.float32, types.int64, types.int64), generate


@intrinsic
def score_of(typing_context: Any, key: Any) -> Any:
    """The score of a key."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        high = builder.trunc(builder.ashr(arguments[0], ir.Constant(_i64, 32)), _i32)
        return builder.bitcast(_ordered(builder, high), _f32)

    return types.float32(types.int64), generate


@helper
def row_of(key: int) -> int:
    """The row of a key."""
    return (key & 0xFFFFFFFF) >> 1


@intrinsic
def least_of_eight(typing_context: Any, heap: Any, first: Any) -> Any:
    """Which of the eight keys heap[first : first + 8] is the least (0..7)."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vector = ir.VectorType(_i64, 8)
        start, offset = builder.ptrtoint(arguments[0], _i64), builder.shl(arguments[1], ir.Constant(_i64, 3))
        keys = load_lanes(builder, start, offset, _i64, 8)
        smallest = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(_i64, [vector]), "llvm.vector.reduce.smin.v8i64"
        )
        least = splat(builder, builder.call(smallest, [keys]), 8)
        lanes = builder.bitcast(builder.icmp_signed("==", keys, least), _i8)
        first_set = cgutils.get_or_insert_function(builder.module, ir.FunctionType(_i8, [_i8, _i1]), "llvm.cttz.i8")
        return builder.zext(builder.call(first_set, [lanes, ir.Constant(_i1, 1)]), _i64)

    return types.int64(types.CPointer(types.int64), types.int64), generate


@helper
def push(heap: Any, size: int, key: int) -> int:
    """Add a key to the heap (a pointer) of so many; returns the new size."""
    node = size
    while node > 0:
        parent = (node - 1) >> 3
        if heap[parent + ROOT] <= key:
            break
        heap[node + ROOT] = heap[parent + ROOT]
        node = parent
    heap[node + ROOT] = key
    return size + 1


@helper
def replace_least(heap: Any, size: int, key: int) -> None:
    """Put a key in the place of the least."""
    node = 0
    while 8 * node + 1 < size:
        line = 8 * node + 8
        child = line + least_of_eight(heap, line)
        if heap[child] >= key:
            break
        heap[node + ROOT] = heap[child]
        node = child - ROOT
    heap[node + ROOT] = key


@helper
def pop(heap: Any, size: int) -> int:
    """Remove the least key, which is heap[ROOT]; returns the new size."""
    size -= 1
    last = heap[size + ROOT]
    heap[size + ROOT] = NOTHING
    if size > 0:
        replace_least(heap, size, last)
    return size
