"""From the JSON form of a filter (API.md, Filters) to the filter tree, with every error at its place."""

from collections.abc import Mapping
from typing import TypeAlias

from quiredb.domain.errors import ValidationFailed
from quiredb.domain.filter_fields import Field, parse_field
from quiredb.domain.filters import And, Condition, Filter, Not, Operand, Operator, Or, accepted_kinds
from quiredb.domain.limits import (
    FILTER_CONDITIONS_MAX,
    FILTER_DEPTH_MAX,
    FILTER_VALUES_MAX,
    NUMBER_MAGNITUDE_MAX,
)
from quiredb.domain.metadata import FieldValue, Kind, kind_of
from quiredb.domain.times import parse_instant

Json: TypeAlias = object

_LIST_OPERATORS = {Operator.IN, Operator.NIN, Operator.CONTAINS_ANY, Operator.CONTAINS_ALL}
_ORDER_OPERATORS = {Operator.GT, Operator.GTE, Operator.LT, Operator.LTE, Operator.BETWEEN}
_TEXT_OPERATORS = {Operator.CONTAINS, Operator.ICONTAINS, Operator.STARTS_WITH, Operator.ENDS_WITH}
_TEXT_LIST_OPERATORS = {Operator.CONTAINS_ANY, Operator.CONTAINS_ALL}


def parse_filter(data: Json, pointer: str = "/filter") -> Filter:
    """The tree of a JSON filter. `{}` matches everything. Raises `ValidationFailed` at the first fault."""
    parser = _Parser()
    return parser.filter(data, pointer, depth=1)


class _Parser:
    """Counts conditions over the whole tree while it descends."""

    def __init__(self) -> None:
        self._conditions = 0

    def filter(self, data: Json, pointer: str, depth: int) -> Filter:
        if not isinstance(data, Mapping):
            raise ValidationFailed.at(pointer, "filter", 'A filter is an object such as {"page": {"gte": 3}}.')
        if depth > FILTER_DEPTH_MAX:
            raise ValidationFailed.at(pointer, "filter-depth", f"Filters nest at most {FILTER_DEPTH_MAX} deep.")
        parts = tuple(
            self._member(str(key), value, f"{pointer}/{_escaped(str(key))}", depth) for key, value in data.items()
        )
        return parts[0] if len(parts) == 1 else And(parts)

    def _member(self, key: str, value: Json, pointer: str, depth: int) -> Filter:
        if key == "not":
            return Not(self.filter(value, pointer, depth + 1))
        if key in {"and", "or"}:
            if not isinstance(value, list) or not value:
                raise ValidationFailed.at(pointer, "filter", f"{key!r} takes a list of at least one filter.")
            children = tuple(self.filter(one, f"{pointer}/{i}", depth + 1) for i, one in enumerate(value))
            return And(children) if key == "and" else Or(children)
        return self._field(key, value, pointer)

    def _field(self, key: str, value: Json, pointer: str) -> Filter:
        field = parse_field(key)
        if field is None:
            raise ValidationFailed.at(
                pointer, "unknown-field", "No such field. Your own fields are written attributes.<name>."
            )
        if not isinstance(value, Mapping):
            return self._condition(field, Operator.EQ, value, pointer)
        if not value:
            raise ValidationFailed.at(pointer, "filter", "A field takes a value or at least one operator.")
        parts = tuple(
            self._condition(field, _operator(str(name), pointer), operand, f"{pointer}/{_escaped(str(name))}")
            for name, operand in value.items()
        )
        return parts[0] if len(parts) == 1 else And(parts)

    def _condition(self, field: Field, operator: Operator, data: Json, pointer: str) -> Condition:
        self._conditions += 1
        if self._conditions > FILTER_CONDITIONS_MAX:
            raise ValidationFailed.at(
                pointer, "filter-conditions", f"A filter has at most {FILTER_CONDITIONS_MAX} conditions."
            )
        condition = Condition(field, operator, _operand(field, operator, data, pointer), pointer)
        _check_fixed_kind(condition)
        return condition


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def _operator(name: str, pointer: str) -> Operator:
    try:
        return Operator(name)
    except ValueError:
        raise ValidationFailed.at(
            pointer, "unknown-operator", f"No such operator. There are {', '.join(Operator)}."
        ) from None


def _operand(field: Field, operator: Operator, data: Json, pointer: str) -> Operand:
    if operator is Operator.EXISTS:
        if not isinstance(data, bool):
            raise ValidationFailed.at(pointer, "operand", "exists takes true or false.")
        return data
    if operator is Operator.BETWEEN:
        if not isinstance(data, list) or len(data) != 2:
            raise ValidationFailed.at(pointer, "operand", "between takes [low, high].")
        return _values(field, operator, data, pointer)
    if operator not in _LIST_OPERATORS:
        return _value(field, operator, data, pointer)
    if not isinstance(data, list) or len(data) > FILTER_VALUES_MAX:
        raise ValidationFailed.at(pointer, "operand", f"{operator} takes a list of at most {FILTER_VALUES_MAX} values.")
    return _values(field, operator, data, pointer)


def _values(field: Field, operator: Operator, data: list[Json], pointer: str) -> tuple[FieldValue, ...]:
    return tuple(_value(field, operator, one, f"{pointer}/{i}") for i, one in enumerate(data))


def _value(field: Field, operator: Operator, data: Json, pointer: str) -> FieldValue:
    if not isinstance(data, str | int | float | bool):
        raise ValidationFailed.at(pointer, "operand", "A value is a string, number, boolean or date-time.")
    if operator in _TEXT_OPERATORS | _TEXT_LIST_OPERATORS:
        if isinstance(data, str):
            return data
        raise ValidationFailed.at(pointer, "kind-mismatch", f"{operator} takes strings.")
    if isinstance(data, bool) and operator in _ORDER_OPERATORS:
        raise ValidationFailed.at(pointer, "kind-mismatch", "Booleans have no order.")
    if isinstance(data, int | float) and not abs(data) <= NUMBER_MAGNITUDE_MAX:
        raise ValidationFailed.at(pointer, "number-range", "Numbers reach to 2^53 in magnitude.")
    if isinstance(data, str) and field.fixed_kind is not Kind.STRING:
        return parse_instant(data) or data
    return data


def _check_fixed_kind(condition: Condition) -> None:
    kind = condition.field.fixed_kind
    if kind is None or condition.operator is Operator.EXISTS:
        return
    accepted = accepted_kinds(condition)
    if accepted <= {kind} or (kind in accepted and condition.operator in _TEXT_OPERATORS | _TEXT_LIST_OPERATORS):
        return
    hint = " Use contains, contains_any or contains_all." if kind is Kind.STRINGS else ""
    raise ValidationFailed.at(
        condition.pointer,
        "kind-mismatch",
        f"{condition.field} holds a {kind}; {condition.operator} was given {_operand_kinds(condition)}.{hint}",
    )


def _operand_kinds(condition: Condition) -> str:
    operand = condition.operand
    found = operand if isinstance(operand, tuple) else (operand,)
    return " or ".join(sorted({kind_of(value) for value in found}))
