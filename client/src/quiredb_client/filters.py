"""Filters as Python expressions: `(F.page >= 3) & F.tags.contains("x")` is the JSON of the REST contract.

`F.page` is a field of the chunk, `F.doc.author` one of its document, `F("attributes.year")` any name. Plain
dicts can be mixed in with `&` and `|`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NoReturn, TypeAlias

Scalar: TypeAlias = str | int | float | bool | datetime


class Filter:
    """A condition on chunks; combine with `&`, `|` and `~`."""

    __slots__ = ("_expression",)

    def __init__(self, expression: Mapping[str, Any]) -> None:
        self._expression = dict(expression)

    def to_json(self) -> dict[str, Any]:
        """The filter as the REST contract writes it; date-times are still `datetime` objects."""
        return self._expression

    def __and__(self, other: Filter | Mapping[str, Any]) -> Filter:
        return _joined("and", self, other)

    def __rand__(self, other: Mapping[str, Any]) -> Filter:
        return _joined("and", other, self)

    def __or__(self, other: Filter | Mapping[str, Any]) -> Filter:
        return _joined("or", self, other)

    def __ror__(self, other: Mapping[str, Any]) -> Filter:
        return _joined("or", other, self)

    def __invert__(self) -> Filter:
        if set(self._expression) == {"not"}:
            return Filter(self._expression["not"])
        return Filter({"not": self._expression})

    def __bool__(self) -> NoReturn:
        raise TypeError(
            "a filter has no truth value: use &, | and ~ instead of and, or and not, "
            "and .between(a, b) instead of a <= field <= b"
        )

    def __repr__(self) -> str:
        return f"Filter({self._expression!r})"


class Field:
    """The name of a field; compare it or call an operator to get a `Filter`."""

    __slots__ = ("_name",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Field:
        if name.startswith("__"):
            raise AttributeError(name)
        return Field(f"{self._name}.{name}")

    def __eq__(self, value: Scalar) -> Filter:  # type: ignore[override]
        return self._operator("eq", value)

    def __ne__(self, value: Scalar) -> Filter:  # type: ignore[override]
        return self._operator("ne", value)

    def __gt__(self, value: Scalar) -> Filter:
        return self._operator("gt", value)

    def __ge__(self, value: Scalar) -> Filter:
        return self._operator("gte", value)

    def __lt__(self, value: Scalar) -> Filter:
        return self._operator("lt", value)

    def __le__(self, value: Scalar) -> Filter:
        return self._operator("lte", value)

    def between(self, low: Scalar, high: Scalar) -> Filter:
        """From `low` to `high`, both included."""
        return self._operator("between", [low, high])

    def in_(self, values: Iterable[Scalar]) -> Filter:
        """Equal to one of `values`."""
        return self._operator("in", list(values))

    def not_in(self, values: Iterable[Scalar]) -> Filter:
        """Equal to none of `values`, or missing."""
        return self._operator("nin", list(values))

    def contains(self, value: Scalar) -> Filter:
        """A string with `value` in it, or a list with `value` as a member."""
        return self._operator("contains", value)

    def icontains(self, value: str) -> Filter:
        """Like `contains`, upper and lower case being the same."""
        return self._operator("icontains", value)

    def starts_with(self, value: str) -> Filter:
        """A string that starts with `value`."""
        return self._operator("starts_with", value)

    def ends_with(self, value: str) -> Filter:
        """A string that ends with `value`."""
        return self._operator("ends_with", value)

    def contains_any(self, values: Iterable[Scalar]) -> Filter:
        """A list with at least one of `values`."""
        return self._operator("contains_any", list(values))

    def contains_all(self, values: Iterable[Scalar]) -> Filter:
        """A list with all of `values`."""
        return self._operator("contains_all", list(values))

    def exists(self, present: bool = True) -> Filter:
        """The field has a value, or with False: has none."""
        return self._operator("exists", present)

    def __bool__(self) -> NoReturn:
        raise TypeError(f"a field has no truth value: to ask whether it is there, write F({self._name!r}).exists()")

    def __repr__(self) -> str:
        return f"F({self._name!r})"

    def _operator(self, name: str, value: Any) -> Filter:
        if value is None:
            raise TypeError(f"{self!r} cannot be compared with None: use .exists() or .exists(False)")
        return Filter({self._name: {name: value}})


class FieldFactory:
    """`F`: makes fields, `F.page` or `F("attributes.year")`."""

    __slots__ = ()

    def __call__(self, name: str) -> Field:
        """The field of any name."""
        return Field(name)

    def __getattr__(self, name: str) -> Field:
        if name.startswith("__"):
            raise AttributeError(name)
        return Field(name)


F = FieldFactory()


def _joined(word: str, left: Filter | Mapping[str, Any], right: Filter | Mapping[str, Any]) -> Filter:
    """Both sides under one `and` or `or`; same-word sides are flattened, so that long chains stay shallow."""
    return Filter({word: [*_parts(word, left), *_parts(word, right)]})


def _parts(word: str, side: Filter | Mapping[str, Any]) -> list[Mapping[str, Any]]:
    expression = side.to_json() if isinstance(side, Filter) else dict(side)
    if set(expression) == {word} and isinstance(expression[word], list):
        return list(expression[word])
    return [expression]
