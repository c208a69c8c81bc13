"""Every operator with every operand of a pool, on columns that hold all kinds of values, against the plain meaning."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise, product
from typing import Any

import pytest

from quiredb.domain.filter_fields import Field, Scope, chunk_value, chunk_values
from quiredb.domain.filter_parsing import parse_filter
from quiredb.domain.filters import Condition, Operator, condition_holds
from quiredb.engine.column_block import ColumnBlock, ColumnBlockBuilder
from quiredb.engine.filtering import condition_mask
from tests.property.filters import MOMENTS, NUMBERS, WORDS
from tests.unit.engine.rows import chunk_of

LISTS = (("a",), ("ab", "abc"), ("", "ABC"), ("straße", "a\0b"), ("2026-01-01T00:00:00Z",), ("c", "b", "a", "a"))
VALUES = (None, *WORDS, "abcab", "xabx", *MOMENTS, *NUMBERS, True, False, (), *LISTS)
NAME = "attributes.value"
FIELD = Field(Scope.CHUNK, NAME)
CHUNKS = [
    chunk_of(number, {} if value is None else {"attributes": {"value": value}}) for number, value in enumerate(VALUES)
]
SCALARS = (*WORDS, "bc", "cab", "STR", "zz", *MOMENTS, *NUMBERS, True, False)
ORDERABLE = (*WORDS, "aa", "zz", *MOMENTS, *NUMBERS, 3)
TEXTS = (*WORDS, "bc", "cab", "bca", "0b", "ss", "SS", *MOMENTS[:1])


def pairs(values: tuple[Any, ...]) -> Iterator[list[Any]]:
    yield []
    yield from ([value] for value in values)
    yield from (list(pair) for pair in pairwise(values))
    yield from ([first, last] for first, last in zip(values, reversed(values), strict=True))
    yield list(values[1::2])
    yield list(values)


OPERANDS: dict[Operator, list[Any]] = {
    Operator.EQ: list(SCALARS),
    Operator.NE: list(SCALARS),
    Operator.IN: list(pairs(SCALARS)),
    Operator.NIN: list(pairs(SCALARS)),
    Operator.GT: list(ORDERABLE),
    Operator.GTE: list(ORDERABLE),
    Operator.LT: list(ORDERABLE),
    Operator.LTE: list(ORDERABLE),
    Operator.BETWEEN: [[low, high] for low, high in product(ORDERABLE[::2], ORDERABLE)],
    Operator.CONTAINS: list(TEXTS),
    Operator.ICONTAINS: list(TEXTS),
    Operator.STARTS_WITH: list(TEXTS),
    Operator.ENDS_WITH: list(TEXTS),
    Operator.CONTAINS_ANY: list(pairs(TEXTS)),
    Operator.CONTAINS_ALL: list(pairs(TEXTS)),
    Operator.EXISTS: [True, False],
}


@pytest.fixture(scope="module")
def block() -> ColumnBlock:
    builder = ColumnBlockBuilder(Scope.CHUNK, chunk_values)
    for chunk in CHUNKS:
        builder.add(chunk)
    return builder.build()


@pytest.mark.parametrize("operator", list(Operator))
def test_every_operand(block: ColumnBlock, operator: Operator) -> None:
    values = [chunk_value(chunk, FIELD) for chunk in CHUNKS]
    for operand in OPERANDS[operator]:
        condition = parse_filter({NAME: {operator.value: operand}})
        assert isinstance(condition, Condition)
        expected = [condition_holds(condition, value) for value in values]
        found = condition_mask(condition, block).tolist()
        wrong = [VALUES[i] for i in range(len(VALUES)) if expected[i] is not found[i]]
        assert not wrong, f"{operator} {operand!r} differs on {wrong!r}"


def test_a_field_that_nobody_has(block: ColumnBlock) -> None:
    for operator, operands in OPERANDS.items():
        condition = parse_filter({"attributes.nobody": {operator.value: operands[-1]}})
        assert isinstance(condition, Condition)
        assert condition_mask(condition, block).tolist() == [condition_holds(condition, None)] * len(VALUES)
