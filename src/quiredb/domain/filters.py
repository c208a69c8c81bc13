"""The filter tree and its plain meaning: the truth that the engine's fast evaluation is tested against.

A missing field matches nothing except `ne`, `nin`, `not` and `exists: false`. Nothing is coerced: a condition on a
value of another kind is false. Strings compare by code point, date-times as instants, integers and floats by value.
"""

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from quiredb.domain.errors import ValidationFailed
from quiredb.domain.filter_fields import Field
from quiredb.domain.metadata import FieldValue, Kind, kind_of


class Operator(StrEnum):
    """What a condition asks of a field's value."""

    EQ = "eq"
    NE = "ne"
    IN = "in"
    NIN = "nin"
    GT = "gt"
    GTE = "gte"
    LT = "lt"
    LTE = "lte"
    BETWEEN = "between"
    CONTAINS = "contains"
    ICONTAINS = "icontains"
    STARTS_WITH = "starts_with"
    ENDS_WITH = "ends_with"
    CONTAINS_ANY = "contains_any"
    CONTAINS_ALL = "contains_all"
    EXISTS = "exists"


Operand: TypeAlias = FieldValue | tuple[FieldValue, ...]


@dataclass(frozen=True, slots=True)
class Condition:
    """One field, one operator, one operand. `pointer` is where it stood in the request."""

    field: Field
    operator: Operator
    operand: Operand
    pointer: str = dataclasses.field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class And:
    """All children match. And(()) matches everything."""

    children: tuple["Filter", ...]


@dataclass(frozen=True, slots=True)
class Or:
    """At least one child matches."""

    children: tuple["Filter", ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The child does not match."""

    child: "Filter"


Filter: TypeAlias = And | Or | Not | Condition
Meaning: TypeAlias = tuple[object, ...]


def meaning_of(filter_: Filter) -> Meaning:
    """A key that filters share when they say the same: unlike `==`, it tells True from 1."""
    match filter_:
        case And(children) | Or(children):
            return (type(filter_), *map(meaning_of, children))
        case Not(child):
            return (Not, meaning_of(child))
        case Condition(field, operator, operand):
            return (field, operator, repr(operand))


Values: TypeAlias = Callable[[Field], FieldValue | None]


def matches(filter_: Filter, values: Values) -> bool:
    """Whether a chunk, seen through `values` (field -> value or None), satisfies the filter."""
    match filter_:
        case And(children):
            return all(matches(child, values) for child in children)
        case Or(children):
            return any(matches(child, values) for child in children)
        case Not(child):
            return not matches(child, values)
        case Condition():
            return condition_holds(filter_, values(filter_.field))


def condition_holds(condition: Condition, value: FieldValue | None) -> bool:
    """Whether a field's value (None: missing) satisfies one condition."""
    operator, operand = condition.operator, condition.operand
    if operator is Operator.EXISTS:
        return (value is not None) == operand
    if operator is Operator.NE:
        return value is None or not _equal(value, operand)
    if operator is Operator.NIN:
        return value is None or not _member(value, operand)
    if value is None:
        return False
    return _TESTS[operator](value, operand)


def _equal(value: FieldValue, operand: Operand) -> bool:
    return kind_of(value) is kind_of(operand) and value == operand  # type: ignore[arg-type]


def _member(value: FieldValue, operand: Operand) -> bool:
    return any(_equal(value, one) for one in _several(operand))


def _several(operand: Operand) -> tuple[FieldValue, ...]:
    assert isinstance(operand, tuple)
    return operand


def _ordered(value: FieldValue, operand: FieldValue) -> int | None:
    """-1, 0 or 1, or None where the two have no order."""
    kind = kind_of(value)
    if kind is not kind_of(operand) or kind in {Kind.BOOLEAN, Kind.STRINGS}:
        return None
    return (value > operand) - (value < operand)  # type: ignore[operator]


def _between(value: FieldValue, operand: Operand) -> bool:
    low, high = _several(operand)
    return _ordered(value, low) in {0, 1} and _ordered(value, high) in {-1, 0}


def _contains(value: FieldValue, operand: Operand) -> bool:
    return isinstance(value, str | tuple) and isinstance(operand, str) and operand in value


def _icontains(value: FieldValue, operand: Operand) -> bool:
    if not isinstance(operand, str):
        return False
    folded = operand.casefold()
    if isinstance(value, tuple):
        return any(item.casefold() == folded for item in value)
    return isinstance(value, str) and folded in value.casefold()


def _contains_any(value: FieldValue, operand: Operand) -> bool:
    return any(_contains(value, item) for item in _several(operand))


def _contains_all(value: FieldValue, operand: Operand) -> bool:
    return isinstance(value, str | tuple) and all(_contains(value, item) for item in _several(operand))


_TESTS: dict[Operator, Callable[..., bool]] = {
    Operator.EQ: _equal,
    Operator.IN: _member,
    Operator.GT: lambda value, operand: _ordered(value, operand) == 1,
    Operator.GTE: lambda value, operand: _ordered(value, operand) in {0, 1},
    Operator.LT: lambda value, operand: _ordered(value, operand) == -1,
    Operator.LTE: lambda value, operand: _ordered(value, operand) in {-1, 0},
    Operator.BETWEEN: _between,
    Operator.CONTAINS: _contains,
    Operator.ICONTAINS: _icontains,
    Operator.STARTS_WITH: lambda value, operand: isinstance(value, str) and value.startswith(operand),
    Operator.ENDS_WITH: lambda value, operand: isinstance(value, str) and value.endswith(operand),
    Operator.CONTAINS_ANY: _contains_any,
    Operator.CONTAINS_ALL: _contains_all,
}


def conditions(filter_: Filter) -> Iterator[Condition]:
    """Every condition in the tree, left to right."""
    match filter_:
        case And(children) | Or(children):
            for child in children:
                yield from conditions(child)
        case Not(child):
            yield from conditions(child)
        case Condition():
            yield filter_


def check_attribute_kinds(filter_: Filter, kinds: Callable[[Field], frozenset[Kind]]) -> None:
    """Refuse conditions on attributes that hold values, but never one of the operand's kind.

    `kinds` tells which kinds an attribute ever had in the library (empty: never seen, then nothing is refused).
    """
    for condition in conditions(filter_):
        if condition.field.fixed_kind is not None or condition.operator is Operator.EXISTS:
            continue
        found, wanted = kinds(condition.field), accepted_kinds(condition)
        if found and wanted and not found & wanted:
            raise ValidationFailed.at(
                condition.pointer,
                "kind-mismatch",
                f"{condition.field} holds {_listed(found)} here; {condition.operator} was given {_listed(wanted)}.",
            )


def accepted_kinds(condition: Condition) -> frozenset[Kind]:
    """The kinds of field value that the condition compares with (EXISTS: all of them; an empty list: none)."""
    match condition.operator:
        case Operator.EXISTS:
            return frozenset(Kind)
        case Operator.IN | Operator.NIN | Operator.BETWEEN:
            return frozenset(kind_of(value) for value in _several(condition.operand))
        case Operator.CONTAINS | Operator.ICONTAINS | Operator.CONTAINS_ANY | Operator.CONTAINS_ALL:
            return frozenset({Kind.STRING, Kind.STRINGS})
        case Operator.STARTS_WITH | Operator.ENDS_WITH:
            return frozenset({Kind.STRING})
        case _:
            return frozenset({kind_of(condition.operand)})  # type: ignore[arg-type]


def _listed(kinds: frozenset[Kind]) -> str:
    return " or ".join(sorted(kinds))
