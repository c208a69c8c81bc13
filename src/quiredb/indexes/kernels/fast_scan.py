"""One-bit codes of 32 vectors scanned together: a table look-up of sixteen bytes at a time stands for four dimensions.

A vector y (rotated, D a multiple of 64) is kept as its signs s. For a query z, quantised to integers r with one step,
every four dimensions have a table of the 16 sums that their signs can give: 128 + (+-r_0 +-r_1 +-r_2 +-r_3), one byte
each. The sum of the D / 4 look-ups is S, and <s, z> ~ step (S - 128 D / 4). With rho = |y|^2 / sum |y_i| the product
rho <s, z> is an unbiased estimate of <y, z> over random rotations; its standard deviation is
SPREAD rho |z|, where it is nearly the same for every y of high dimension.

Layout of a block: 4 D bytes, sixteen for each four dimensions; byte 2 (j mod 8) + j div 8 of them has the four signs of
vector j < 16 in its low half and those of vector 16 + j in its high half. Sums are exact in 16 bits up to 1,024
dimensions and then added to 32 bits, so every CPU gives the same. Sources: FastScan (arXiv 1704.07355, 1812.09162) and
RaBitQ (arXiv 2405.12497).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from quiredb.indexes.kernels.registry import helper
from quiredb.indexes.kernels.simd import load_lanes, splat

LANES = 32
"""Vectors of one block."""
SPREAD = 0.603
"""sqrt(1 - 2 / pi): the standard deviation of rho <s, z> is this times rho |z|."""
_CHUNK = 16
"""Steps of 64 dimensions whose sums fit 16 bits: 1,024 / 4 look-ups of at most 255."""
_LARGEST_SUM = 124.0
"""What four quantised coordinates may add up to, before rounding adds 2."""
_i8, _i16, _i32, _i64, _f32 = ir.IntType(8), ir.IntType(16), ir.IntType(32), ir.IntType(64), ir.FloatType()
_SUMS = ir.VectorType(_i32, 16)


@helper
def pack_signs(y: Any, lane: int, block: Any) -> None:
    """Write the signs of y (float32[D]) as vector `lane` into block (uint8[4 D], zero in this lane before)."""
    j = lane & 15
    place = 2 * (j & 7) + (j >> 3)
    shift = 4 if lane >= 16 else 0
    for group in range(y.shape[0] >> 2):
        signs: Any = 0
        for i in range(4):
            if y[4 * group + i] > 0:
                signs |= 1 << i
        block[16 * group + place] |= np.uint8(signs << shift)


@helper
def build_table(z: Any, table: Any) -> tuple[Any, Any]:
    """Fill table (uint8[4 D]) for the rotated query z (float32[D]).

    Returns float32 (step, shift): <s, z> ~ step S + shift.
    """
    largest = np.float32(0.0)
    groups = z.shape[0] >> 2
    for group in range(groups):
        at = 4 * group
        total = abs(z[at]) + abs(z[at + 1]) + abs(z[at + 2]) + abs(z[at + 3])
        largest = max(largest, total)
    step = largest / np.float32(_LARGEST_SUM)
    inverse = np.float32(1.0) / step if largest > np.float32(1e-30) else np.float32(0.0)
    for group in range(groups):
        entry, at = 16 * group, 4 * group
        base: Any = 128
        for i in range(4):
            base -= np.int64(np.rint(z[at + i] * inverse))
        table[entry] = np.uint8(base)
        for i in range(4):
            double = np.uint8(2 * np.int64(np.rint(z[at + i] * inverse)))
            for low in range(1 << i):
                table[entry + (1 << i) + low] = table[entry + low] + double
    return step, -np.float32(128 * groups) * step


def plain_table(r: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The table of the quantised query r (int[D]) by NumPy."""
    signs = np.where(np.arange(16) >> np.arange(4)[:, None] & 1, 1, -1)
    return (128 + r.reshape(-1, 4) @ signs).astype(np.uint8).reshape(-1)


def plain_sums(codes: NDArray[np.uint8], table: NDArray[np.uint8]) -> NDArray[np.int64]:
    """int64[32]: the sums of one block's look-ups by NumPy, which every scan must give."""
    groups = codes.shape[0] // 16
    entries = table.reshape(groups, 16).astype(np.int64)
    halves = [np.take_along_axis(entries, codes.reshape(groups, 16) >> shift & 15, axis=1) for shift in (0, 4)]
    order = [2 * (j & 7) + (j >> 3) for j in range(16)]
    return np.concatenate([half.sum(axis=0)[order] for half in halves])


def _shuffle(name: str, width: int) -> Any:
    """Look-ups by a byte shuffle of `width` bytes."""

    def look_up(builder: Any, table: Any, offset: Any, index: Any) -> Any:
        kind = ir.VectorType(_i8, width)
        function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind, kind]), name)
        return builder.call(function, [load_lanes(builder, table, offset, _i8, width), index])

    return look_up


def _select(builder: Any, table: Any, offset: Any, index: Any) -> Any:
    """Look-ups of 16 bytes without a shuffle: the entry of no sign, plus what each set bit adds to it, modulo 256."""
    kind = ir.VectorType(_i8, 16)
    entries = load_lanes(builder, table, offset, _i8, 16)
    base = builder.extract_element(entries, ir.Constant(_i32, 0))
    total = splat(builder, base, 16)
    for bit in range(4):
        entry = builder.extract_element(entries, ir.Constant(_i32, 1 << bit))
        added = splat(builder, builder.sub(entry, base), 16)
        is_set = builder.icmp_unsigned(
            "!=", builder.and_(index, ir.Constant(kind, [1 << bit] * 16)), ir.Constant(kind, None)
        )
        total = builder.add(total, builder.and_(builder.sext(is_set, kind), added))
    return total


def _folded(builder: Any, vector: Any, lanes: int) -> Any:
    """16-bit lanes added by halving until eight are left."""
    while lanes > 8:
        lanes //= 2
        undefined = ir.Constant(vector.type, ir.Undefined)
        index = ir.VectorType(_i32, lanes)
        low = builder.shuffle_vector(vector, undefined, ir.Constant(index, list(range(lanes))))
        high = builder.shuffle_vector(vector, undefined, ir.Constant(index, list(range(lanes, 2 * lanes))))
        vector = builder.add(low, high)
    return vector


def _joined(builder: Any, even: Any, odd: Any, lanes: int) -> Any:
    """Sixteen 32-bit sums: of the even bytes, then of the odd ones. `even` still has 256 times the odd ones in it."""
    even, odd = _folded(builder, even, lanes), _folded(builder, odd, lanes)
    even = builder.sub(even, builder.shl(odd, ir.Constant(odd.type, [8] * 8)))
    both = builder.shuffle_vector(even, odd, ir.Constant(_SUMS, list(range(16))))
    return builder.zext(both, _SUMS)


def _estimates(builder: Any, sums: Any, half: int, arguments: Any) -> Any:
    """Store sixteen estimates; returns the bits of those below the threshold."""
    _, _, _, factors, scale, shift, threshold, out = arguments
    floats = ir.VectorType(_f32, 16)
    scale, shift, threshold = (splat(builder, value, 16) for value in (scale, shift, threshold))
    affine = builder.fadd(builder.fmul(builder.sitofp(sums, floats), scale), shift)
    added = load_lanes(builder, factors, ir.Constant(_i64, 64 * half), _f32, 16)
    slope = load_lanes(builder, factors, ir.Constant(_i64, 128 + 64 * half), _f32, 16)
    estimates = builder.fadd(added, builder.fmul(slope, affine))
    target = builder.inttoptr(builder.add(out, ir.Constant(_i64, 64 * half)), floats.as_pointer())
    builder.store(estimates, target).align = 4
    below = builder.bitcast(builder.fcmp_ordered("<", estimates, threshold), _i16)
    return builder.shl(builder.zext(below, _i32), ir.Constant(_i32, 16 * half))


def _scan(width: int, look_up: Any) -> Any:
    """The code generator of a scan that looks up `width` bytes at a time."""
    lanes = width // 2
    narrow, wide = ir.VectorType(_i8, width), ir.VectorType(_i16, lanes)

    def add(builder: Any, codes: Any, table: Any, offset: Any, sums: list[Any]) -> None:
        code = load_lanes(builder, codes, offset, _i8, width)
        nibble = ir.Constant(narrow, [15] * width)
        shifted = builder.lshr(builder.bitcast(code, wide), ir.Constant(wide, [4] * lanes))
        for half, index in enumerate((code, builder.bitcast(shifted, narrow))):
            found = builder.bitcast(look_up(builder, table, offset, builder.and_(index, nibble)), wide)
            even, odd = sums[2 * half : 2 * half + 2]
            builder.store(builder.add(builder.load(even), found), even)
            high = builder.lshr(found, ir.Constant(wide, [8] * lanes))
            builder.store(builder.add(builder.load(odd), high), odd)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        codes, table, steps = arguments[:3]
        totals = [cgutils.alloca_once_value(builder, ir.Constant(_SUMS, None)) for _ in range(2)]
        sums = [cgutils.alloca_once(builder, wide) for _ in range(4)]
        chunks = builder.udiv(builder.add(steps, ir.Constant(_i64, _CHUNK - 1)), ir.Constant(_i64, _CHUNK))
        with cgutils.for_range(builder, chunks) as chunk:
            for total in sums:
                builder.store(ir.Constant(wide, None), total)
            first = builder.mul(chunk.index, ir.Constant(_i64, _CHUNK))
            left = builder.sub(steps, first)
            short = builder.icmp_signed("<", left, ir.Constant(_i64, _CHUNK))
            with cgutils.for_range(builder, builder.select(short, left, ir.Constant(_i64, _CHUNK))) as loop:
                start = builder.shl(builder.add(first, loop.index), ir.Constant(_i64, 8))
                for part in range(0, 256, width):
                    add(builder, codes, table, builder.add(start, ir.Constant(_i64, part)), sums)
            for half, total in enumerate(totals):
                even, odd = (builder.load(value) for value in sums[2 * half : 2 * half + 2])
                builder.store(builder.add(builder.load(total), _joined(builder, even, odd, lanes)), total)
        low, high = (_estimates(builder, builder.load(total), half, arguments) for half, total in enumerate(totals))
        return builder.or_(low, high)

    return generate


_SIGNATURE = types.uint32(
    types.uintp, types.uintp, types.intp, types.uintp, types.float32, types.float32, types.float32, types.uintp
)


@intrinsic
def scan_avx512(
    typing_context: Any, codes: Any, table: Any, steps: Any, factors: Any, scale: Any, shift: Any, threshold: Any,
    out: Any,
) -> Any:  # fmt: skip
    """Estimates of one block: out[j] = A[j] + S[j] (scale sum_j + shift), and the bits of the lanes below `threshold`.

    Addresses: `codes` (uint8[4 D]), `table` (uint8[4 D]), `factors` (float32 A[32], then S[32]), `out` (float32[32]);
    `steps` is D / 64. With A = +inf a lane is never below anything. 64 bytes a look-up (`vpshufb`).
    """
    return _SIGNATURE, _scan(64, _shuffle("llvm.x86.avx512.pshuf.b.512", 64))


@intrinsic
def scan_avx2(
    typing_context: Any, codes: Any, table: Any, steps: Any, factors: Any, scale: Any, shift: Any, threshold: Any,
    out: Any,
) -> Any:  # fmt: skip
    """The same, 32 bytes a look-up."""
    return _SIGNATURE, _scan(32, _shuffle("llvm.x86.avx2.pshuf.b", 32))


@intrinsic
def scan_portable(
    typing_context: Any, codes: Any, table: Any, steps: Any, factors: Any, scale: Any, shift: Any, threshold: Any,
    out: Any,
) -> Any:  # fmt: skip
    """The same in generic vectors, without a byte shuffle."""
    return _SIGNATURE, _scan(16, _select)
