"""Masks 64 rows at a time: bytes as bits, so that loops can go from allowed row to allowed row."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from quiredb.indexes.kernels.registry import helper
from quiredb.indexes.kernels.simd import load_lanes

PLACES = 64
"""Places of a mask that are looked at together."""
_i8, _i64 = ir.IntType(8), ir.IntType(64)


@intrinsic
def nonzero_bits(typing_context: Any, address: Any) -> Any:
    """Which of the 64 bytes at an address are not zero, as the bits of a uint64."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        lanes = load_lanes(builder, arguments[0], ir.Constant(_i64, 0), _i8, PLACES)
        return builder.bitcast(builder.icmp_unsigned("!=", lanes, ir.Constant(lanes.type, None)), _i64)

    return types.uint64(types.uintp), generate


@intrinsic
def count_bits(typing_context: Any, bits: Any) -> Any:
    """How many bits of a uint64 are set."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), generate


@intrinsic
def lowest_bit(typing_context: Any, bits: Any) -> Any:
    """The number of the lowest set bit of a uint64 that is not zero."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), generate


@helper
def allowed_bits(mask: Any, word: int) -> Any:
    """The bits of the allowed rows among 64 from 64 * word on."""
    first = word * PLACES
    if first + PLACES <= mask.shape[0]:
        return nonzero_bits(mask.ctypes.data + first)
    bits = np.uint64(0)
    for row in range(first, mask.shape[0]):
        bits |= np.uint64(mask[row] != 0) << np.uint64(row - first)
    return bits
