"""Estimates of many rows by their records, sixteen at a time: which of them may lie below a limit.

The same numbers as `scoring.estimate_records`, in generic vectors: a scan estimates ten thousand rows where a walk
estimates a thousand, and turns nearly all of them down, so what a row costs beyond its sum of signs counts here.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from quiredb.indexes.kernels.mask_words import lowest_bit
from quiredb.indexes.kernels.pointers import address_of
from quiredb.indexes.kernels.registry import helper
from quiredb.indexes.kernels.sign_dots import TOGETHER, sign_dots, sign_lines
from quiredb.indexes.kernels.simd import load_lanes, splat

LANES = 16
"""Rows of one step."""
_i16, _i32, _i64, _f32 = ir.IntType(16), ir.IntType(32), ir.IntType(64), ir.FloatType()
_FLOATS = ir.VectorType(_f32, LANES)


class Sieve(NamedTuple):
    """By pointers: rows at hand (int32), their sums of signs (int32) and estimates (float32), in whole steps, and what
    has passed: rows (int32) with the bounds of their scores (float32). picks (int32), least (float32): room for those
    that are scored next, and for finding out which.
    """

    fresh: Any
    dots: Any
    estimates: Any
    rows: Any
    bounds: Any
    picks: Any
    least: Any


def _factors(builder: Any, address: Any, stride: Any, rows: Any) -> tuple[Any, Any]:
    """The first two factors of sixteen records, in two vectors."""
    parts = []
    for lane in range(LANES):
        at = builder.inttoptr(builder.add(rows, ir.Constant(_i64, 4 * lane)), _i32.as_pointer())
        row = builder.sext(builder.load(at), _i64)
        parts.append(load_lanes(builder, address, builder.mul(row, stride), _f32, 2))
    while len(parts) > 1:
        joined = ir.VectorType(_i32, 2 * parts[0].type.count)
        order = ir.Constant(joined, list(range(joined.count)))
        parts = [builder.shuffle_vector(*parts[first : first + 2], order) for first in range(0, len(parts), 2)]
    undefined = ir.Constant(parts[0].type, ir.Undefined)
    first, second = (
        builder.shuffle_vector(
            parts[0], undefined, ir.Constant(ir.VectorType(_i32, LANES), list(range(side, 2 * LANES, 2)))
        )
        for side in (0, 1)
    )
    return first, second


@intrinsic
def estimate_sixteen(
    typing_context: Any, factors: Any, stride: Any, rows: Any, dots: Any, step: Any, shift: Any, limit: Any, out: Any
) -> Any:
    """out[i] (float32) = A + S (step dots[i] + shift) for the factors A, S of record rows[i], i < 16.

    Addresses of the first record's factors, rows (int32), dots (int32) and out. Returns bits (uint64): where the result
    is not above the limit.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        factors, stride, rows, dots, step, shift, limit, out = arguments
        offset, slope = _factors(builder, factors, stride, rows)
        sums = builder.sitofp(load_lanes(builder, dots, ir.Constant(_i64, 0), _i32, LANES), _FLOATS)
        product = builder.fadd(builder.fmul(splat(builder, step, LANES), sums), splat(builder, shift, LANES))
        estimates = builder.fadd(offset, builder.fmul(slope, product))
        builder.store(estimates, builder.inttoptr(out, _FLOATS.as_pointer())).align = 4
        below = builder.fcmp_unordered("<=", estimates, splat(builder, limit, LANES))
        return builder.zext(builder.bitcast(below, _i16), _i64)

    result = types.uint64(
        types.uintp, types.intp, types.uintp, types.uintp, types.float32, types.float32, types.float32, types.uintp
    )
    return result, generate


@helper
def sift(table: Any, query: Any, held: int, limit: Any, sieve: Any, passed: Any) -> Any:
    """Estimate the rows sieve.fresh[:held]; those not above the limit join the `passed` ones. Returns how many these
    are then.
    """
    steps = (held + LANES - 1) // LANES
    for i in range(held, steps * LANES):
        sieve.fresh[i] = sieve.fresh[0]
    rows, dots, out = address_of(sieve.fresh), address_of(sieve.dots), address_of(sieve.estimates)
    sign_dots(
        table.records, table.record_stride, rows, steps * (LANES // TOGETHER), query.planes, sign_lines(query.size),
        dots,
    )  # fmt: skip
    factors = table.records + (query.size >> 3)
    for first in range(0, held, LANES):
        at = 4 * first
        bits = estimate_sixteen(
            factors, table.record_stride, rows + at, dots + at, query.sign_step, query.sign_shift, limit, out + at
        )
        if held - first < LANES:
            bits &= (np.uint64(1) << np.uint64(held - first)) - np.uint64(1)
        while bits != 0:
            place = first + lowest_bit(bits)
            bits &= bits - np.uint64(1)
            sieve.rows[passed], sieve.bounds[passed] = sieve.fresh[place], sieve.estimates[place]
            passed += 1
    return passed
