"""What a walk reads of rows, and what they score: by one-bit records, many at once, or by an 8-bit code."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from quiredb.indexes.kernels.level import dot_codes
from quiredb.indexes.kernels.pointers import address_of, float32_pointer
from quiredb.indexes.kernels.quantize import twice_signed
from quiredb.indexes.kernels.registry import helper
from quiredb.indexes.kernels.sign_dots import TOGETHER, sign_dots, sign_lines
from quiredb.indexes.kernels.simd import BLOCK


class Table(NamedTuple):
    """What a walk reads, by address: records, 8-bit codes and neighbours of `count` rows."""

    records: Any
    record_stride: Any
    codes: Any
    code_stride: Any
    neighbours: Any
    degree: Any
    count: Any


class CodedQuery(NamedTuple):
    """A query as records and codes want it, planes and code by address; see `graph_search.code_query`."""

    planes: Any
    size: Any
    """The rotated dimension."""
    sign_step: Any
    sign_shift: Any
    code: Any
    code_step: Any
    code_offset: Any
    lowest: Any
    """No score can be below this."""


class Scratch(NamedTuple):
    """Memory of one walk, by pointers: zeroed bits of rows seen, an empty heap, a histogram of scores and the latest
    score counted in each of its steps, and the neighbours at hand.
    """

    seen: Any
    heap: Any
    histogram: Any
    latest: Any
    fresh: Any
    dots: Any
    estimates: Any
    work: Any
    """Counts of rows expanded, estimated by signs and scored by codes, that go on from walk to walk."""
    seeds: Any
    picks: Any


@helper
def estimate_fresh(table: Any, query: Any, scratch: Any, found: Any) -> None:
    """scratch.estimates[i] = the estimated score of row scratch.fresh[i], i < found."""
    estimate_records(table.records, table.record_stride, query, scratch, found)


@helper
def estimate_records(records: Any, stride: int, query: Any, scratch: Any, found: Any) -> None:
    """scratch.estimates[i] = the estimated score of record scratch.fresh[i], i < found."""
    for i in range(found, found + TOGETHER - 1):
        scratch.fresh[i] = scratch.fresh[0]
    sign_dots(
        records, stride, address_of(scratch.fresh), (found + TOGETHER - 1) // TOGETHER,
        query.planes, sign_lines(query.size), address_of(scratch.dots),
    )  # fmt: skip
    at = records + (query.size >> 3)
    for i in range(found):
        factors = float32_pointer(at + np.int64(scratch.fresh[i]) * stride)
        estimate = factors[1] * (query.sign_step * np.float32(scratch.dots[i]) + query.sign_shift)
        scratch.estimates[i] = factors[0] + estimate


@helper
def code_score(table: Any, query: Any, row: Any) -> Any:
    """The score of a row by its 8-bit code."""
    at = table.codes + row * table.code_stride
    dot = twice_signed(dot_codes(at, query.code, table.code_stride // BLOCK), query.code_offset)
    factors = float32_pointer(table.records + row * table.record_stride + (query.size >> 3))
    return factors[0] + factors[2] * query.code_step * np.float32(dot)
