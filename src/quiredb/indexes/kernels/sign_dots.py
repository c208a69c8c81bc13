"""Sums of a query's coordinates over the set bits of many records: the innermost loop of a graph search.

A query's coordinate is a signed number of four bits, in two's complement, and the query is kept as four planes of bits:

    sum of p_i where w_i is set  =  |w & plane 0| + 2 |w & plane 1| + 4 |w & plane 2| - 8 |w & plane 3|

so 512 coordinates take four `and`s and four counts of bits. The sums are integers in generic LLVM vectors, hence equal
on every CPU. Four bits of the query instead of eight add a fiftieth to the error of a one-bit code. Source: RaBitQ
(arXiv 2405.12497), whose planes are unsigned.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, register_jitable

from quiredb.indexes.kernels.simd import load_lanes

PLANES = 4
"""Bits of a query's coordinate."""
LARGEST = 2 ** (PLANES - 1) - 1
"""The largest coordinate of a query in planes; the smallest is its negative."""
TOGETHER = 4
"""Records of one round; rows are given in whole rounds."""
_LINE = 64
_i32, _i64 = ir.IntType(32), ir.IntType(64)
_SUMS = ir.VectorType(_i32, 8)


@register_jitable
def sign_lines(size: int) -> int:
    """Cache lines of a record that hold its `size` signs."""
    return (size + 8 * _LINE - 1) // (8 * _LINE)


@register_jitable
def planes_length(size: int) -> int:
    """Bytes of the planes of `size` coordinates: for each line of a record one line a plane."""
    return PLANES * _LINE * sign_lines(size)


def _plane_lines(builder: Any, planes: Any, first: Any, words: int) -> list[Any]:
    """Of each plane the line at an offset of `first` bytes from its beginning, times the number of planes."""
    offsets = (builder.add(first, ir.Constant(_i64, plane * _LINE)) for plane in range(PLANES))
    return [load_lanes(builder, planes, offset, _i64, words) for offset in offsets]


def _counts(builder: Any, signs: Any, planes: list[Any]) -> list[Any]:
    """How many bits are set in the signs and in each plane, by word."""
    vector = signs.type
    name = f"llvm.ctpop.v{vector.count}i64"
    counter = cgutils.get_or_insert_function(builder.module, ir.FunctionType(vector, [vector]), name)
    return [builder.call(counter, [builder.and_(signs, plane)]) for plane in planes]


def _all_counts(builder: Any, record: Any, planes: Any, lines: Any, words: int) -> list[Any]:
    """The counts of all lines of a record, added up in a loop."""
    vector = ir.VectorType(_i64, words)
    totals = [cgutils.alloca_once(builder, vector) for _ in range(PLANES)]
    for total in totals:
        builder.store(ir.Constant(vector, None), total)
    with cgutils.for_range(builder, lines) as line:
        at = builder.shl(line.index, ir.Constant(_i64, 6))
        held = _plane_lines(builder, planes, builder.mul(at, ir.Constant(_i64, PLANES)), words)
        signs = load_lanes(builder, record, at, _i64, words)
        for total, count in zip(totals, _counts(builder, signs, held), strict=True):
            builder.store(builder.add(builder.load(total), count), total)
    return [builder.load(total) for total in totals]


def _few_counts(builder: Any, record: Any, held: list[list[Any]], words: int) -> list[Any]:
    """The same for the few lines whose planes are held in registers, without a loop."""
    totals: list[Any] = []
    for number, planes in enumerate(held):
        signs = load_lanes(builder, record, ir.Constant(_i64, number * _LINE), _i64, words)
        counts = _counts(builder, signs, planes)
        totals = [builder.add(*pair) for pair in zip(totals, counts, strict=True)] if totals else counts
    return totals


def _weigh(builder: Any, totals: list[Any], words: int) -> Any:
    """Counts weighed by plane: 8 lanes whose sum is the result."""
    weighed = builder.sub(ir.Constant(totals[0].type, None), totals[-1])
    for total in reversed(totals[:-1]):
        weighed = builder.add(builder.add(weighed, weighed), total)
    narrow = builder.trunc(weighed, ir.VectorType(_i32, words))
    if words == 8:
        return narrow
    spread = ir.Constant(_SUMS, [*range(words), *[words] * (8 - words)])
    return builder.shuffle_vector(narrow, ir.Constant(narrow.type, None), spread)


def _pick(builder: Any, left: Any, right: Any, lanes: list[int]) -> Any:
    return builder.shuffle_vector(left, right, ir.Constant(ir.VectorType(_i32, len(lanes)), lanes))


def _four_sums(builder: Any, vectors: list[Any]) -> Any:
    """The sums of the lanes of four vectors of eight, as one of four."""
    pairs = []
    for left, right in (vectors[:2], vectors[2:]):
        low = _pick(builder, left, right, [0, 8, 1, 9, 4, 12, 5, 13])
        pairs.append(builder.add(low, _pick(builder, left, right, [2, 10, 3, 11, 6, 14, 7, 15])))
    two, other_two = pairs
    low = _pick(builder, two, other_two, [0, 1, 8, 9, 4, 5, 12, 13])
    halves = builder.add(low, _pick(builder, two, other_two, [2, 3, 10, 11, 6, 7, 14, 15]))
    return builder.add(_pick(builder, halves, halves, [0, 1, 2, 3]), _pick(builder, halves, halves, [4, 5, 6, 7]))


@intrinsic
def sign_dots(
    typing_context: Any, records: Any, stride: Any, rows: Any, rounds: Any, planes: Any, lines: Any, out: Any
) -> Any:
    """out[i] (int32) = sum of the query's coordinates over the set bits of record rows[i] (int32), i < 4 rounds.

    Addresses of records, rows, planes (see `planes_length`) and out. Of a record `lines` cache lines are read, or all
    of it where it is half a line.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        records, stride, rows, rounds, planes, lines, out = arguments

        def run(words: int, few: int) -> None:
            held = [
                _plane_lines(builder, planes, ir.Constant(_i64, number * _LINE * PLANES), words)
                for number in range(few)
            ]
            with cgutils.for_range(builder, rounds) as turn:
                offset = builder.shl(turn.index, ir.Constant(_i64, 4))
                group = load_lanes(builder, rows, offset, _i32, TOGETHER)
                sums = []
                for index in range(TOGETHER):
                    row = builder.sext(builder.extract_element(group, ir.Constant(_i32, index)), _i64)
                    record = builder.add(records, builder.mul(row, stride))
                    counts = (
                        _few_counts(builder, record, held, words)
                        if few
                        else _all_counts(builder, record, planes, lines, words)
                    )
                    sums.append(_weigh(builder, counts, words))
                four = _four_sums(builder, sums)
                builder.store(four, builder.inttoptr(builder.add(out, offset), four.type.as_pointer())).align = 4

        with builder.if_else(builder.icmp_signed("<", stride, ir.Constant(_i64, _LINE))) as (half, whole):
            with half:
                run(4, 1)
            with whole, builder.if_else(builder.icmp_signed("==", lines, ir.Constant(_i64, 1))) as (one, more):
                with one:
                    run(8, 1)
                with more, builder.if_else(builder.icmp_signed("==", lines, ir.Constant(_i64, 2))) as (two, many):
                    with two:
                        run(8, 2)
                    with many:
                        run(8, 0)
        return context.get_dummy_value()

    result = types.void(types.uintp, types.intp, types.uintp, types.intp, types.uintp, types.intp, types.uintp)
    return result, generate
