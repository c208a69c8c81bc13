"""float64 sums over a row: the arithmetic of every exact distance, and of the lengths that codes are made with.

Only generic LLVM vectors without fast-math flags: the order of additions is fixed by this source, hence every CPU
returns the same bits. Products of two float32 numbers are exact in float64, so a fused multiply-add, used where the CPU
has one, gives those sums the very bits of a multiplication and an addition. The query comes widened to float64 once.
While a row is summed, the row that comes later is prefetched, line by line: asked for all at once, its lines would keep
everything else waiting.
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from quiredb.indexes.kernels.simd import ask_for_line, load_lanes, sum_lanes

_LANES = 8
_i32, _i64, _f32, _f64 = ir.IntType(32), ir.IntType(64), ir.FloatType(), ir.DoubleType()
_HAS_FMA = bool(llvm.get_host_cpu_features().get("fma", False))


def _multiply_add(builder: Any, left: Any, right: Any, total: Any, exact: bool) -> Any:
    """`left * right + total`, fused where that changes no bit."""
    if exact and _HAS_FMA:
        kind = left.type
        name = "llvm.fma.f64" if kind == _f64 else f"llvm.fma.v{_LANES}f64"
        fused = cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind] * 3), name)
        return builder.call(fused, [left, right, total])
    return builder.fadd(builder.fmul(left, right), total)


def _sums(factors: Any, outputs: int, exact: bool = True) -> Any:
    """The code generator of `outputs` sums of products over a widened query and a row.

    `factors(builder, q, x)` yields the two factors of each sum. Two accumulators of eight lanes take alternate groups
    of eight; the rest of the row is added one by one to a scalar, which is added last. Meanwhile the lines at
    `ahead` are asked for.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        query, row, length, ahead = arguments
        zero = ir.Constant(ir.VectorType(_f64, _LANES), None)
        sums = [[cgutils.alloca_once_value(builder, zero) for _ in range(2)] for _ in range(outputs)]
        rest = [cgutils.alloca_once_value(builder, ir.Constant(_f64, 0.0)) for _ in range(outputs)]

        def add(index: Any, lanes: int, targets: list[Any]) -> None:
            q = load_lanes(builder, query, builder.shl(index, ir.Constant(_i64, 3)), _f64, lanes)
            x = load_lanes(builder, row, builder.shl(index, ir.Constant(_i64, 2)), _f32, lanes)
            if lanes == 1:
                q, x = (builder.extract_element(value, ir.Constant(_i32, 0)) for value in (q, x))
            wide = builder.fpext(x, ir.VectorType(_f64, lanes) if lanes > 1 else _f64)
            for target, (left, right) in zip(targets, factors(builder, q, wide), strict=True):
                builder.store(_multiply_add(builder, left, right, builder.load(target), exact), target)

        groups = builder.lshr(length, ir.Constant(_i64, 4))
        with cgutils.for_range(builder, groups) as loop:
            ask_for_line(builder, builder.add(ahead, builder.shl(loop.index, ir.Constant(_i64, 6))))
            index = builder.shl(loop.index, ir.Constant(_i64, 4))
            add(index, _LANES, [pair[0] for pair in sums])
            add(builder.add(index, ir.Constant(_i64, _LANES)), _LANES, [pair[1] for pair in sums])
        done = builder.shl(groups, ir.Constant(_i64, 4))
        with cgutils.for_range(builder, builder.sub(length, done)) as loop:
            add(builder.add(done, loop.index), 1, rest)
        results = []
        for pair, scalar in zip(sums, rest, strict=True):
            total = builder.fadd(builder.load(pair[0]), builder.load(pair[1]))
            results.append(builder.fadd(sum_lanes(builder, total, _LANES, builder.fadd), builder.load(scalar)))
        return results[0] if outputs == 1 else cgutils.pack_array(builder, results)

    return generate


@intrinsic
def dot_product(typing_context: Any, query: Any, row: Any, length: Any, ahead: Any) -> Any:
    """`<q, x>` of a float64 query and a float32 row."""

    def factors(builder: Any, q: Any, x: Any) -> list[Any]:
        return [(q, x)]

    return types.float64(types.uintp, types.uintp, types.intp, types.uintp), _sums(factors, 1)


@intrinsic
def dot_and_norm(typing_context: Any, query: Any, row: Any, length: Any, ahead: Any) -> Any:
    """`(<q, x>, <x, x>)` of a float64 query and a float32 row."""

    def factors(builder: Any, q: Any, x: Any) -> list[Any]:
        return [(q, x), (x, x)]

    return types.UniTuple(types.float64, 2)(types.uintp, types.uintp, types.intp, types.uintp), _sums(factors, 2)


@intrinsic
def squared_distance(typing_context: Any, query: Any, row: Any, length: Any, ahead: Any) -> Any:
    """`|q - x|^2` of a float64 query and a float32 row. Squares of differences are not exact, so nothing is fused."""

    def factors(builder: Any, q: Any, x: Any) -> list[Any]:
        difference = builder.fsub(q, x)
        return [(difference, difference)]

    return types.float64(types.uintp, types.uintp, types.intp, types.uintp), _sums(factors, 1, exact=False)


@intrinsic
def squared_norm(typing_context: Any, row: Any, length: Any) -> Any:
    """`<x, x>` of a float32 row."""

    def factors(builder: Any, q: Any, x: Any) -> list[Any]:
        return [(x, x)]

    sums = _sums(factors, 1)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        row, length = arguments
        return sums(context, builder, signature, (row, row, length, row))

    return types.float64(types.uintp, types.intp), generate


@intrinsic
def squared_length(typing_context: Any, values: Any, length: Any) -> Any:
    """`<y, y>` of float64 numbers. Their squares are not exact, so nothing is fused."""

    def factors(builder: Any, q: Any, x: Any) -> list[Any]:
        return [(q, q)]

    sums = _sums(factors, 1, exact=False)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        values, length = arguments
        return sums(context, builder, signature, (values, values, length, values))

    return types.float64(types.uintp, types.intp), generate


@intrinsic
def norm_and_magnitude(typing_context: Any, row: Any, length: Any) -> Any:
    """`(<x, x>, sum |x|)` of a float32 row."""

    def factors(builder: Any, q: Any, x: Any) -> list[Any]:
        name = "llvm.fabs.f64" if x.type == _f64 else f"llvm.fabs.v{_LANES}f64"
        fabs = cgutils.get_or_insert_function(builder.module, ir.FunctionType(x.type, [x.type]), name)
        one = ir.Constant(_f64, 1.0) if x.type == _f64 else ir.Constant(x.type, [1.0] * _LANES)
        return [(x, x), (builder.call(fabs, [x]), one)]

    sums = _sums(factors, 2)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        row, length = arguments
        return sums(context, builder, signature, (row, row, length, row))

    return types.UniTuple(types.float64, 2)(types.uintp, types.intp), generate


@intrinsic
def largest_magnitude(typing_context: Any, values: Any, length: Any) -> Any:
    """max |y| of float64[length], a multiple of eight; 0 of none."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        values, length = arguments
        lanes = ir.VectorType(_f64, _LANES)
        name = f"llvm.fabs.v{_LANES}f64"
        fabs = cgutils.get_or_insert_function(builder.module, ir.FunctionType(lanes, [lanes]), name)
        largest = cgutils.alloca_once_value(builder, ir.Constant(lanes, None))

        def larger(low: Any, high: Any) -> Any:
            return builder.select(builder.fcmp_ordered(">", low, high), low, high)

        with cgutils.for_range(builder, builder.lshr(length, ir.Constant(_i64, 3))) as loop:
            y = load_lanes(builder, values, builder.shl(loop.index, ir.Constant(_i64, 6)), _f64, _LANES)
            builder.store(larger(builder.call(fabs, [y]), builder.load(largest)), largest)
        return sum_lanes(builder, builder.load(largest), _LANES, larger)

    return types.float64(types.uintp, types.intp), generate
