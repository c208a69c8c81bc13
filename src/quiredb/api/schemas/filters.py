"""The JSON schema of filters, made from the fields and operators that the domain knows."""

from collections.abc import Iterable
from typing import Any

from quiredb.domain.filter_fields import ATTRIBUTES, Scope, fixed_fields
from quiredb.domain.filters import Operator
from quiredb.domain.limits import ATTRIBUTE_NAME_CHARACTERS_MAX, FILTER_VALUES_MAX, NUMBER_MAGNITUDE_MAX
from quiredb.domain.metadata import Kind

Schema = dict[str, Any]

FILTER = "Filter"
_ITSELF = {"$ref": f"#/components/schemas/{FILTER}"}
_ANY_ATTRIBUTE = rf"^(doc\.)?{ATTRIBUTES.replace('.', '[.]')}[^\n]{{1,{ATTRIBUTE_NAME_CHARACTERS_MAX}}}$"
_VALUES: dict[Kind, Schema] = {
    Kind.STRING: {"type": "string"},
    Kind.NUMBER: {"type": "number", "minimum": -NUMBER_MAGNITUDE_MAX, "maximum": NUMBER_MAGNITUDE_MAX},
    Kind.BOOLEAN: {"type": "boolean"},
    Kind.DATETIME: {"type": "string", "format": "date-time"},
}
_EQUALITY = (Operator.EQ, Operator.NE)
_MEMBERSHIP = (Operator.IN, Operator.NIN)
_ORDER = (Operator.GT, Operator.GTE, Operator.LT, Operator.LTE)
_TEXT = (Operator.CONTAINS, Operator.ICONTAINS, Operator.STARTS_WITH, Operator.ENDS_WITH)
_MEMBERS = (Operator.CONTAINS, Operator.ICONTAINS)
_LISTS = (Operator.CONTAINS_ANY, Operator.CONTAINS_ALL)


def filter_schema() -> Schema:
    """A filter: fields with a value or operators, joined by `and`, `or`, `not`. It names itself where it nests."""
    filters = {"type": "array", "items": _ITSELF, "minItems": 1}
    fields = {str(field): field for scope in Scope for field in fixed_fields(scope)}
    kinds = {name: field.fixed_kind for name, field in fields.items() if field.fixed_kind is not None}
    return {
        "type": "object",
        "title": FILTER,
        "description": "Conditions by field, all of which must hold. docs/filters.md has every operator.",
        "properties": {
            "and": filters,
            "or": filters,
            "not": _ITSELF,
            **{name: _field(kind) for name, kind in kinds.items()},
        },
        "patternProperties": {_ANY_ATTRIBUTE: _attribute()},
        "additionalProperties": False,
    }


def _field(kind: Kind) -> Schema:
    if kind is Kind.STRINGS:
        return _operators({**_same(_MEMBERS, _VALUES[Kind.STRING]), **_same(_LISTS, _list(_VALUES[Kind.STRING]))})
    value = _VALUES[kind]
    operators = {
        **_same((*_EQUALITY, *_ORDER), value),
        **_same(_MEMBERSHIP, _list(value)),
        Operator.BETWEEN: _pair(value),
    }
    if kind is Kind.STRING:
        operators |= {**_same(_TEXT, value), **_same(_LISTS, _list(value))}
    return {"anyOf": [value, _operators(operators)]}


def _attribute() -> Schema:
    """An attribute has the kind of each chunk's own value, so a condition may be of any kind."""
    value = {"anyOf": [_VALUES[kind] for kind in (Kind.STRING, Kind.NUMBER, Kind.BOOLEAN)]}
    ordered = {"anyOf": [_VALUES[Kind.STRING], _VALUES[Kind.NUMBER]]}
    text = _VALUES[Kind.STRING]
    operators = {
        **_same(_EQUALITY, value),
        **_same(_MEMBERSHIP, _list(value)),
        **_same(_ORDER, ordered),
        Operator.BETWEEN: _pair(ordered),
        **_same(_TEXT, text),
        **_same(_LISTS, _list(text)),
    }
    return {"anyOf": [*value["anyOf"], _operators(operators)]}


def _operators(operands: dict[Operator, Schema]) -> Schema:
    properties = {**operands, Operator.EXISTS: _VALUES[Kind.BOOLEAN]}
    return {
        "type": "object",
        "properties": {str(operator): operand for operator, operand in properties.items()},
        "additionalProperties": False,
        "minProperties": 1,
    }


def _same(operators: Iterable[Operator], operand: Schema) -> dict[Operator, Schema]:
    return dict.fromkeys(operators, operand)


def _list(value: Schema) -> Schema:
    return {"type": "array", "items": value, "maxItems": FILTER_VALUES_MAX}


def _pair(value: Schema) -> Schema:
    return {"type": "array", "items": value, "minItems": 2, "maxItems": 2}
