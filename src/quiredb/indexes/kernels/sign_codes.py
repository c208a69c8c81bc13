"""One-bit codes: a row's record of signs and factors, and how a query is estimated against it.

A row x is coded as the signs of P y, where y = x' - c as in `quantize.py` and P is the rotation of `rotation.py`,
which makes all coordinates alike. With w the signs as +-1/2 and z the query's side,

    <y, z>  ~  rho <w, P z>,    rho = |y|^2 / <w, P y>                 (RaBitQ, arXiv 2405.12497)

is unbiased over the choice of P, with a standard deviation of about 0.75 |y| |z| / sqrt(D). As P z is itself rounded
to numbers p of four bits with step t, one sum over the set bits, I = sum of p_i where w_i > 0, is all a row costs:

    estimate = A + S (2 t I - t sum p + t'),       S = -rho (l2), -rho / 2 (cosine, dot);  A = |y|^2 (l2), 0

A record is one or two cache lines: D / 8 bytes of bits, then float32 A, S and the scale S' of the row's 8-bit code. So
a row that is looked at and turned down, as most are, costs one or two cache lines in all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from quiredb.indexes.kernels.exact import L2
from quiredb.indexes.kernels.float_sums import norm_and_magnitude
from quiredb.indexes.kernels.pointers import float32_pointer
from quiredb.indexes.kernels.quantize import normaliser
from quiredb.indexes.kernels.registry import filled, float32, given, int64, kernel, uint8, void
from quiredb.indexes.kernels.rotation import rotate, rotated_dimension
from quiredb.indexes.kernels.sign_dots import LARGEST, PLANES
from quiredb.indexes.kernels.simd import clear_bytes, load_lanes, splat, sum_lanes

FACTORS = 16
"""Bytes behind the bits of a record: three factors, and four that are zero."""
OPTIMISM = 0.15
"""How many |z| / 2 an estimate is shifted in favour of the row: a quarter of its standard deviation."""
SMALLEST_STEP = 1e-30
"""Below it a query is coded as zero."""
_LINE = 64
_LANES = 16
_i8, _i16, _i32, _i64, _f32 = ir.IntType(8), ir.IntType(16), ir.IntType(32), ir.IntType(64), ir.FloatType()


def record_stride(dimension: int) -> int:
    """Bytes of a record: whole cache lines, or half a line where that is enough."""
    needed = rotated_dimension(dimension) // 8 + FACTORS
    return needed if needed <= _LINE // 2 else -(-needed // _LINE) * _LINE


@intrinsic
def _put_signs(typing_context: Any, source: Any, target: Any, length: Any) -> Any:
    """Bit i at `target` = whether x_i >= 0, for float32[length] at `source`, a multiple of 16."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        source, target, length = arguments
        zero = ir.Constant(ir.VectorType(_f32, _LANES), None)
        with cgutils.for_range(builder, builder.lshr(length, ir.Constant(_i64, 4))) as loop:
            x = load_lanes(builder, source, builder.shl(loop.index, ir.Constant(_i64, 6)), _f32, _LANES)
            bits = builder.bitcast(builder.fcmp_ordered(">=", x, zero), _i16)
            at = builder.add(target, builder.shl(loop.index, ir.Constant(_i64, 1)))
            builder.store(bits, builder.inttoptr(at, _i16.as_pointer())).align = 1
        return context.get_dummy_value()

    return types.void(types.uintp, types.uintp, types.intp), generate


@kernel(void, given(float32, 2), int64, given(float32), given(float32, 2), given(float32, 2), filled(uint8, 2))
def encode_records(vectors: Any, metric: int, centre: Any, rotation: Any, factors: Any, records: Any) -> None:
    """Fill records[n, stride]: signs and factors. factors[n, 2] = (A, S') are those of the 8-bit codes.

    A row without a length, or whose numbers do not fit float32, gets S = 0.
    """
    dimension = vectors.shape[1]
    size = rotation.shape[1]
    y = np.zeros(size, np.float32)
    share = np.float32(1.0) if metric == L2 else np.float32(0.5)
    for row in range(vectors.shape[0]):
        inverse = 1.0 / normaliser(vectors, row, metric)
        for i in range(dimension):
            y[i] = np.float32(np.float64(vectors[row, i]) * inverse - np.float64(centre[i]))
        for i in range(dimension, size):
            y[i] = 0.0
        rotate(y.ctypes.data, rotation)
        at = records.ctypes.data + row * records.shape[1]
        clear_bytes(at, records.shape[1])
        _put_signs(y.ctypes.data, at, size)
        length, magnitude = norm_and_magnitude(y.ctypes.data, size)
        overlap = 0.5 * magnitude
        usable = overlap > 0.0 and length < 1e38
        kept = float32_pointer(at + (size >> 3))
        kept[0] = factors[row, 0]
        kept[1] = np.float32(-length / overlap) * share if usable else np.float32(0.0)
        kept[2] = factors[row, 1]


def _step_of(builder: Any, source: Any, groups: Any, levels: int) -> tuple[Any, Any]:
    """(t, 1 / t in every lane) for t = max |x| / levels of float32[16 groups], or zero if t is too small."""
    floats = ir.VectorType(_f32, _LANES)
    fabs = cgutils.get_or_insert_function(builder.module, ir.FunctionType(floats, [floats]), "llvm.fabs.v16f32")
    largest = cgutils.alloca_once_value(builder, ir.Constant(floats, [0.0] * _LANES))
    with cgutils.for_range(builder, groups) as loop:
        x = load_lanes(builder, source, builder.shl(loop.index, ir.Constant(_i64, 6)), _f32, _LANES)
        magnitude, so_far = builder.call(fabs, [x]), builder.load(largest)
        builder.store(builder.select(builder.fcmp_ordered(">", magnitude, so_far), magnitude, so_far), largest)

    def larger(low: Any, high: Any) -> Any:
        return builder.select(builder.fcmp_ordered(">", low, high), low, high)

    step = builder.fdiv(sum_lanes(builder, builder.load(largest), _LANES, larger), ir.Constant(_f32, float(levels)))
    usable = builder.fcmp_ordered(">", step, ir.Constant(_f32, SMALLEST_STEP))
    inverse = builder.select(usable, builder.fdiv(ir.Constant(_f32, 1.0), step), ir.Constant(_f32, 0.0))
    return step, splat(builder, inverse, _LANES)


def _rounding(levels: int, put: Callable[[Any, Any, Any, Any], None]) -> Any:
    """The code generator that rounds float32[length] to t p with t = max |x| / levels; returns (t, sum p).

    `put(builder, target, index, p)` stores the p of the index-th sixteen.
    """
    floats, ints = ir.VectorType(_f32, _LANES), ir.VectorType(_i32, _LANES)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        source, target, length = arguments
        groups = builder.lshr(length, ir.Constant(_i64, 4))
        step, inverse = _step_of(builder, source, groups, levels)
        rint = cgutils.get_or_insert_function(builder.module, ir.FunctionType(floats, [floats]), "llvm.rint.v16f32")
        total = cgutils.alloca_once_value(builder, ir.Constant(ints, [0] * _LANES))
        with cgutils.for_range(builder, groups) as loop:
            x = load_lanes(builder, source, builder.shl(loop.index, ir.Constant(_i64, 6)), _f32, _LANES)
            rounded = builder.fptosi(builder.call(rint, [builder.fmul(x, inverse)]), ints)
            put(builder, target, loop.index, rounded)
            builder.store(builder.add(builder.load(total), rounded), total)
        summed = builder.sext(sum_lanes(builder, builder.load(total), _LANES, builder.add), _i64)
        return context.make_tuple(builder, signature.return_type, (step, summed))

    return generate


def _put_bytes(builder: Any, target: Any, index: Any, rounded: Any) -> None:
    at = builder.add(target, builder.shl(index, ir.Constant(_i64, 4)))
    narrow = builder.trunc(rounded, ir.VectorType(_i8, _LANES))
    builder.store(narrow, builder.inttoptr(at, narrow.type.as_pointer())).align = 1


def _put_planes(builder: Any, target: Any, index: Any, rounded: Any) -> None:
    """Sixteen coordinates are two bytes of every plane, and 32 times these a line."""
    line = builder.mul(builder.lshr(index, ir.Constant(_i64, 5)), ir.Constant(_i64, PLANES * _LINE))
    place = builder.shl(builder.and_(index, ir.Constant(_i64, 31)), ir.Constant(_i64, 1))
    at = builder.add(target, builder.add(line, place))
    for plane in range(PLANES):
        bit = builder.and_(rounded, ir.Constant(rounded.type, [1 << plane] * _LANES))
        bits = builder.bitcast(builder.icmp_unsigned("!=", bit, ir.Constant(rounded.type, None)), _i16)
        builder.store(bits, builder.inttoptr(builder.add(at, ir.Constant(_i64, plane * _LINE)), _i16.as_pointer()))


_ROUNDED = types.Tuple((types.float32, types.int64))(types.uintp, types.uintp, types.intp)


@intrinsic
def to_planes(typing_context: Any, source: Any, target: Any, length: Any) -> Any:
    """Round float32[length] to the zeroed planes of `sign_dots.py`, both by address; otherwise as `to_bytes`."""
    return _ROUNDED, _rounding(LARGEST, _put_planes)


@intrinsic
def to_bytes(typing_context: Any, source: Any, target: Any, length: Any) -> Any:
    """Round float32[length] to int8[length], both by address: x ~ t p with t = max |x| / 127. Returns (t, sum p).

    `length` is a multiple of 16. The largest magnitude and the sum are exact, so every CPU gives the same bytes.
    """
    return _ROUNDED, _rounding(127, _put_bytes)
