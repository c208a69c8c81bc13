"""A seeded orthogonal rotation in O(D log D): it spreads every vector evenly over its coordinates.

Low-bit codes need coordinates of like size and independent errors; a random rotation gives both for any data, without
training. The vector is padded with zeros to D, a multiple of 64. m is the largest power of two up to D. Four rounds:

    flip signs (seeded)      x_i *= +-1
    Walsh-Hadamard           of m coordinates: (a, b) -> (a + b, a - b) / sqrt(2) for strides 1, 2, 4 ... m/2

on the middle m coordinates, the first, the last, and the middle again; so every coordinate reaches every other even
where m is little more than half of D.

Each step is orthogonal, so lengths and inner products stay. The order of additions is fixed and nothing is fused, so
every CPU gives the same bits. Source: fast Johnson-Lindenstrauss transforms (Ailon and Chazelle, 2006); RaBitQ's
library (arXiv 2409.09913) rotates alike.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from quiredb.indexes.kernels.registry import filled, float32, given, helper, kernel, void
from quiredb.indexes.kernels.simd import load_lanes

ROUNDS = 4
PADDING = 64
"""Rotated vectors have a multiple of this many coordinates."""
_LANES = 16
_i32, _i64, _f32 = ir.IntType(32), ir.IntType(64), ir.FloatType()
_VECTOR = ir.VectorType(_f32, _LANES)


def rotated_dimension(dimension: int) -> int:
    """D: `dimension` rounded up to a multiple of 64."""
    return -(-dimension // PADDING) * PADDING


@helper
def window_starts(size: int, span: int) -> tuple[int, int, int, int]:
    """Where the window of each round begins."""
    return (size - span) // 2, 0, size - span, (size - span) // 2


def rotation_signs(dimension: int, seed: int) -> NDArray[np.float32]:
    """float32[4, D]: what each round multiplies the coordinates by, the seeded signs and the norm of its transform.

    The signs are bits of splitmix64 of (seed, round, coordinate), so the seed is all that must be kept.
    """
    size = rotated_dimension(dimension)
    span = 1 << (size.bit_length() - 1)
    with np.errstate(over="ignore"):
        state = np.arange(ROUNDS * size, dtype=np.uint64) + np.uint64(1)
        state = (state + np.uint64(seed % 2**32) * np.uint64(1 << 32)) * np.uint64(0x9E3779B97F4A7C15)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        state ^= state >> np.uint64(31)
    signs = np.where(state & np.uint64(1), 1.0, -1.0).reshape(ROUNDS, size)
    for turn, start in enumerate(window_starts(size, span)):
        signs[turn, start : start + span] /= np.sqrt(span)
    return signs.astype(np.float32)


def _store(builder: Any, value: Any, address: Any, offset: Any) -> None:
    pointer = builder.inttoptr(builder.add(address, offset), _VECTOR.as_pointer())
    builder.store(value, pointer).align = 4


@intrinsic
def multiply_floats(typing_context: Any, address: Any, factors: Any, length: Any) -> Any:
    """x *= f over `length` float32 (a multiple of 16)."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address, factors, length = arguments
        with cgutils.for_range(builder, builder.lshr(length, ir.Constant(_i64, 4))) as loop:
            at = builder.shl(loop.index, ir.Constant(_i64, 6))
            x = load_lanes(builder, address, at, _f32, _LANES)
            _store(builder, builder.fmul(x, load_lanes(builder, factors, at, _f32, _LANES)), address, at)
        return context.get_dummy_value()

    return types.void(types.uintp, types.uintp, types.intp), generate


@intrinsic
def mix_sixteen(typing_context: Any, address: Any, length: Any) -> Any:
    """The butterflies of strides 1, 2, 4 and 8, all inside 16 lanes, over `length` float32 (a multiple of 16)."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address, length = arguments
        with cgutils.for_range(builder, builder.lshr(length, ir.Constant(_i64, 4))) as loop:
            at = builder.shl(loop.index, ir.Constant(_i64, 6))
            x = load_lanes(builder, address, at, _f32, _LANES)
            for stride in (1, 2, 4, 8):
                partners = ir.Constant(ir.VectorType(_i32, _LANES), [lane ^ stride for lane in range(_LANES)])
                signs = ir.Constant(_VECTOR, [-1.0 if lane & stride else 1.0 for lane in range(_LANES)])
                partner = builder.shuffle_vector(x, ir.Constant(_VECTOR, ir.Undefined), partners)
                x = builder.fadd(partner, builder.fmul(x, signs))
            _store(builder, x, address, at)
        return context.get_dummy_value()

    return types.void(types.uintp, types.intp), generate


@intrinsic
def butterfly(typing_context: Any, left: Any, right: Any, length: Any) -> Any:
    """(a, b) -> (a + b, a - b) over `length` float32 (a multiple of 16) at two addresses."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        left, right, length = arguments
        with cgutils.for_range(builder, builder.lshr(length, ir.Constant(_i64, 4))) as loop:
            at = builder.shl(loop.index, ir.Constant(_i64, 6))
            a, b = (load_lanes(builder, address, at, _f32, _LANES) for address in (left, right))
            _store(builder, builder.fadd(a, b), left, at)
            _store(builder, builder.fsub(a, b), right, at)
        return context.get_dummy_value()

    return types.void(types.uintp, types.uintp, types.intp), generate


@helper
def rotate(address: Any, signs: Any) -> None:
    """Rotate the D float32 at an address in place; signs[4, D] as `rotation_signs` makes them."""
    size = signs.shape[1]
    span = 64
    while 2 * span <= size:
        span *= 2
    starts = window_starts(size, span)
    for turn in range(ROUNDS):
        multiply_floats(address, signs.ctypes.data + turn * size * 4, size)
        start = address + starts[turn] * 4
        mix_sixteen(start, span)
        stride = 16
        while stride < span:
            for first in range(0, span, 2 * stride):
                at = start + first * 4
                butterfly(at, at + stride * 4, stride)
            stride *= 2


@kernel(void, given(float32, 2), given(float32, 2), filled(float32, 2))
def rotate_rows(vectors: Any, signs: Any, out: Any) -> None:
    """out[n, D] = the rotated vectors[n, d], padded with zeros."""
    for row in range(vectors.shape[0]):
        for i in range(vectors.shape[1]):
            out[row, i] = vectors[row, i]
        for i in range(vectors.shape[1], out.shape[1]):
            out[row, i] = 0.0
        rotate(out.ctypes.data + row * out.shape[1] * 4, signs)
