"""From a filter tree to the set of matching rows, before any distance is computed.

The same meaning as domain/filters.py, evaluated by columns. Conditions on `text` have no column: they read texts from
the store, only for rows that the rest of the filter leaves open.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import reduce
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from quiredb.domain.filter_fields import Scope
from quiredb.domain.filters import And, Condition, Filter, Not, Operator, Or, condition_holds
from quiredb.domain.metadata import FieldValue, Kind, kind_of
from quiredb.engine.column_block import TEXT, ColumnBlock
from quiredb.engine.columns import Column, ListColumn, Mask, OrderedColumn, TextColumn

Texts: TypeAlias = Callable[[list[int]], Iterable[tuple[int, str]]]
"""Reads the texts of rows from the store: row numbers in, (row, text) out in any order."""

DocumentMask: TypeAlias = Callable[[Condition], Mask]
"""For a condition on a document: which document keys satisfy it, as a mask by key; its last place is for all beyond."""


@dataclass(frozen=True, slots=True)
class FilterTarget:
    """What a filter is evaluated on: the columns of some rows, their numbers and documents, and where texts are."""

    block: ColumnBlock
    rows: NDArray[np.int64]
    document_keys: NDArray[np.int64]
    documents: DocumentMask
    texts: Texts


def matching_rows(filter_: Filter, target: FilterTarget, within: Mask) -> Mask:
    """Rows of the target inside `within` that satisfy the filter; all masks are bool[count]."""
    match filter_:
        case And(children):
            for child in sorted(children, key=reads_text):
                within = matching_rows(child, target, within)
            return within
        case Or(children):
            return _any_of(sorted(children, key=reads_text), target, within)
        case Not(child):
            return within & ~matching_rows(child, target, within)
        case Condition() if filter_.field == TEXT:
            return _matching_texts(filter_, target, within)
        case Condition() if filter_.field.scope is Scope.DOCUMENT:
            return within & target.documents(filter_).take(target.document_keys, mode="clip")
        case Condition():
            return within & condition_mask(filter_, target.block)


def reads_text(filter_: Filter) -> bool:
    """Whether evaluating the filter reads texts from the store, which costs far more than columns."""
    match filter_:
        case And(children) | Or(children):
            return any(map(reads_text, children))
        case Not(child):
            return reads_text(child)
        case Condition():
            return filter_.field == TEXT


def _any_of(children: list[Filter], target: FilterTarget, within: Mask) -> Mask:
    found = np.zeros(len(within), np.bool_)
    for child in children:
        found |= matching_rows(child, target, within & ~found)
    return found


def _matching_texts(condition: Condition, target: FilterTarget, within: Mask) -> Mask:
    places = np.flatnonzero(within)
    by_row = dict(zip(target.rows[places].tolist(), places.tolist(), strict=True))
    found = np.zeros(len(within), np.bool_)
    if condition.operator is Operator.EXISTS:
        found[places] = bool(condition.operand)
        return found
    for row, text in target.texts(list(by_row)):
        found[by_row[row]] = condition_holds(condition, text)
    return found


def condition_mask(condition: Condition, block: ColumnBlock) -> Mask:
    """Rows of the block that satisfy one condition on a field of theirs."""
    columns = block.kinds(condition.field)
    match condition.operator:
        case Operator.EXISTS:
            present = _union((column.present for column in columns), block.count)
            return present if condition.operand else ~present
        case Operator.NE:
            return ~_positive(_with(condition, Operator.EQ), columns, block.count)
        case Operator.NIN:
            return ~_positive(_with(condition, Operator.IN), columns, block.count)
        case _:
            return _positive(condition, columns, block.count)


def _with(condition: Condition, operator: Operator) -> Condition:
    return Condition(condition.field, operator, condition.operand, condition.pointer)


def _positive(condition: Condition, columns: Iterable[Column], count: int) -> Mask:
    return _union((_of_kind(condition, column) for column in columns), count)


def _of_kind(condition: Condition, column: Column) -> Mask:
    """The column's mask for those operands that are of its kind; none: no row."""
    narrowed = _narrowed(condition, column)
    return np.zeros(len(column.present), np.bool_) if narrowed is None else column.mask(narrowed)


def _narrowed(condition: Condition, column: Column) -> Condition | None:
    operand = condition.operand
    if isinstance(column, ListColumn):
        listed = condition.operator in {Operator.CONTAINS, Operator.ICONTAINS}
        several = condition.operator in {Operator.CONTAINS_ANY, Operator.CONTAINS_ALL}
        return condition if listed or several else None
    if not isinstance(operand, tuple):
        return condition if _fits(operand, column) else None
    if condition.operator is not Operator.IN:
        return condition if all(_fits(value, column) for value in operand) else None
    fitting = tuple(value for value in operand if _fits(value, column))
    return Condition(condition.field, Operator.IN, fitting, condition.pointer) if fitting else None


def _fits(value: FieldValue, column: Column) -> bool:
    kind = kind_of(value)
    if isinstance(column, TextColumn):
        return kind is Kind.STRING
    if isinstance(column, OrderedColumn):
        wanted = {Kind.NUMBER: np.float64, Kind.DATETIME: np.int64, Kind.BOOLEAN: np.int8}.get(kind)
        return wanted is not None and column.values.dtype == wanted
    return False


def _union(masks: Iterable[Mask], count: int) -> Mask:
    return reduce(np.logical_or, masks, np.zeros(count, np.bool_))
