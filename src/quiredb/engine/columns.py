"""Typed columns of metadata values: one per field and kind, answering conditions with a mask over rows.

Every column answers only for values of its own kind; a missing value is false for every test. `ne`, `nin`, `not` and
`exists` are composed from these masks in filtering.py.
"""

import operator as operator_module
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from quiredb.domain.filters import Condition, Operator
from quiredb.domain.metadata import FieldValue, Kind
from quiredb.domain.times import to_microseconds
from quiredb.engine.strings import StringDictionary

Mask: TypeAlias = NDArray[np.bool_]
_MISSING = -1
_COMPARED = 8
"""Codes up to which comparing a column with each is quicker than looking up every row in a table."""


@dataclass(frozen=True, slots=True)
class OrderedColumn:
    """Numbers (float64), instants (int64 microseconds) or booleans (int8), with the rows that have one."""

    values: NDArray[Any]
    present: Mask

    @classmethod
    def build(cls, kind: Kind, count: int, rows: Sequence[int], values: Sequence[FieldValue]) -> "OrderedColumn":
        """The column of `count` rows in which rows[i] has values[i]."""
        dtype = {Kind.NUMBER: np.float64, Kind.DATETIME: np.int64, Kind.BOOLEAN: np.int8}[kind]
        column = np.zeros(count, dtype)
        column[rows] = [_plain(value) for value in values]
        present = np.zeros(count, np.bool_)
        present[rows] = True
        return cls(column, present)

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """The column as named arrays."""
        return {"values": self.values, "present": self.present}

    def mask(self, condition: Condition) -> Mask:
        """Rows whose value satisfies the condition, whose operands are of this column's kind."""
        operand = condition.operand
        if isinstance(operand, tuple):
            plain = [_plain(value) for value in operand]
            if condition.operator is Operator.BETWEEN:
                low, high = plain
                above = _compare(self.values, Operator.GTE, low)
                return self.present & above & _compare(self.values, Operator.LTE, high)
            return self.present & np.isin(self.values, plain)
        return self.present & _compare(self.values, condition.operator, _plain(operand))


def _plain(value: FieldValue) -> float | int:
    if isinstance(value, datetime):
        return to_microseconds(value)
    assert isinstance(value, int | float)
    return value


def _compare(values: NDArray[Any], operator: Operator, operand: float) -> Mask:
    test = _COMPARISONS.get(operator)
    mask: Mask = np.zeros(len(values), np.bool_) if test is None else test(values, operand)
    return mask


_COMPARISONS: dict[Operator, Callable[[Any, Any], Any]] = {
    Operator.EQ: operator_module.eq,
    Operator.GT: operator_module.gt,
    Operator.GTE: operator_module.ge,
    Operator.LT: operator_module.lt,
    Operator.LTE: operator_module.le,
}


@dataclass(frozen=True, slots=True)
class TextColumn:
    """Strings as codes into a dictionary (int32, -1: missing). Codes are in code point order, so ranges are ranges."""

    codes: NDArray[np.int32]
    dictionary: StringDictionary

    @classmethod
    def build(cls, count: int, rows: Sequence[int], values: Sequence[str]) -> "TextColumn":
        """The column of `count` rows in which rows[i] has values[i]."""
        dictionary, found = StringDictionary.encode(values)
        codes = np.full(count, _MISSING, np.int32)
        codes[rows] = found
        return cls(codes, dictionary)

    @property
    def present(self) -> Mask:
        """Rows that have a string."""
        return self.codes >= 0

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """The column as named arrays."""
        return {"codes": self.codes, "blob": self.dictionary.blob, "offsets": self.dictionary.offsets}

    def mask(self, condition: Condition) -> Mask:
        """Rows whose string satisfies the condition."""
        operand = condition.operand
        match condition.operator:
            case Operator.EQ:
                return self._equal(_text(operand))
            case Operator.IN:
                assert isinstance(operand, tuple)
                return self._any_of(list(self.dictionary.codes_of(map(_text, operand)).values()))
            case Operator.CONTAINS_ANY | Operator.CONTAINS_ALL:
                return self._among(_strings_test(self.dictionary, condition))
            case Operator.CONTAINS:
                return self._among(self.dictionary.containing(_text(operand)))
            case Operator.ICONTAINS:
                return self._among(self.dictionary.folded_containing(_text(operand)))
            case Operator.STARTS_WITH:
                return self._among(self.dictionary.starting_with(_text(operand)))
            case Operator.ENDS_WITH:
                return self._among(self.dictionary.ending_with(_text(operand)))
            case _:
                low, high = _code_range(self.dictionary, condition)
                return (self.codes >= low) & (self.codes < high)

    def _equal(self, text: str) -> Mask:
        code = self.dictionary.code_of(text)
        return self.codes == code if code >= 0 else np.zeros(len(self.codes), np.bool_)

    def _among(self, wanted: Mask) -> Mask:
        mask: Mask = np.append(wanted, np.False_).take(self.codes)
        return mask

    def _any_of(self, codes: list[int]) -> Mask:
        if len(codes) > _COMPARED:
            wanted = np.zeros(len(self.dictionary), np.bool_)
            wanted[codes] = True
            return self._among(wanted)
        mask = np.zeros(len(self.codes), np.bool_)
        for code in codes:
            mask |= self.codes == code
        return mask


def _text(value: object) -> str:
    assert isinstance(value, str)
    return value


def _strings_test(dictionary: StringDictionary, condition: Condition) -> Mask:
    assert isinstance(condition.operand, tuple)
    tests = [dictionary.containing(_text(needle)) for needle in condition.operand]
    if condition.operator is Operator.CONTAINS_ALL:
        return np.logical_and.reduce(tests) if tests else np.ones(len(dictionary), np.bool_)
    return np.logical_or.reduce(tests) if tests else np.zeros(len(dictionary), np.bool_)


def _code_range(dictionary: StringDictionary, condition: Condition) -> tuple[int, int]:
    """The codes [low, high) of the strings that an order operator accepts."""
    operand = condition.operand
    if isinstance(operand, tuple):
        low, high = _text(operand[0]), _text(operand[1])
        return dictionary.lower_bound(low), _upper_bound(dictionary, high)
    text, everything = _text(operand), len(dictionary)
    return {
        Operator.GT: (_upper_bound(dictionary, text), everything),
        Operator.GTE: (dictionary.lower_bound(text), everything),
        Operator.LT: (0, dictionary.lower_bound(text)),
        Operator.LTE: (0, _upper_bound(dictionary, text)),
    }[condition.operator]


def _upper_bound(dictionary: StringDictionary, text: str) -> int:
    bound = dictionary.lower_bound(text)
    return bound + 1 if bound < len(dictionary) and dictionary[bound] == text else bound


@dataclass(frozen=True, slots=True)
class ListColumn:
    """Lists of strings: row i holds codes[offsets[i]:offsets[i+1]]. An empty list counts as missing."""

    offsets: NDArray[np.int64]
    codes: NDArray[np.int32]
    dictionary: StringDictionary

    @classmethod
    def build(cls, count: int, rows: Sequence[int], values: Sequence[tuple[str, ...]]) -> "ListColumn":
        """The column of `count` rows in which rows[i] (ascending) has the list values[i]."""
        dictionary, codes = StringDictionary.encode([item for items in values for item in items])
        lengths = np.zeros(count, np.int64)
        lengths[rows] = [len(items) for items in values]
        offsets = np.zeros(count + 1, np.int64)
        np.cumsum(lengths, out=offsets[1:])
        return cls(offsets, codes, dictionary)

    @property
    def present(self) -> Mask:
        """Rows that have at least one item."""
        return self.offsets[1:] > self.offsets[:-1]

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """The column as named arrays."""
        return {
            "offsets": self.offsets,
            "codes": self.codes,
            "blob": self.dictionary.blob,
            "blob_offsets": self.dictionary.offsets,
        }

    def mask(self, condition: Condition) -> Mask:
        """Rows whose list satisfies the condition: membership of one, any or all strings."""
        operand = condition.operand
        match condition.operator:
            case Operator.CONTAINS:
                return self._having(self.codes == self.dictionary.code_of(_text(operand)))
            case Operator.ICONTAINS:
                return self._having(self.dictionary.folded_equal(_text(operand))[self.codes])
            case Operator.CONTAINS_ANY:
                assert isinstance(operand, tuple)
                wanted = list(self.dictionary.codes_of(map(_text, operand)).values())
                return self._having(np.isin(self.codes, wanted))
            case Operator.CONTAINS_ALL:
                assert isinstance(operand, tuple)
                masks = [self._having(self.codes == self.dictionary.code_of(_text(item))) for item in operand]
                every: Mask = np.logical_and.reduce([self.present, *masks])
                return every
            case _:
                return np.zeros(len(self.offsets) - 1, np.bool_)

    def _having(self, items: Mask) -> Mask:
        before = np.concatenate(([0], np.cumsum(items)))
        having: Mask = before[self.offsets[1:]] > before[self.offsets[:-1]]
        return having


Column: TypeAlias = OrderedColumn | TextColumn | ListColumn


def build_column(kind: Kind, count: int, rows: Sequence[int], values: Sequence[FieldValue]) -> Column:
    """The column of one kind; `rows` ascending."""
    if kind is Kind.STRING:
        return TextColumn.build(count, rows, values)  # type: ignore[arg-type]
    if kind is Kind.STRINGS:
        return ListColumn.build(count, rows, values)  # type: ignore[arg-type]
    return OrderedColumn.build(kind, count, rows, values)


def open_column(kind: Kind, arrays: dict[str, NDArray[np.generic]]) -> Column:
    """A column from its named arrays, which may be mapped from a file."""
    get = arrays.__getitem__
    if kind is Kind.STRING:
        return TextColumn(get("codes"), StringDictionary(get("blob"), get("offsets")))  # type: ignore[arg-type]
    if kind is Kind.STRINGS:
        dictionary = StringDictionary(get("blob"), get("blob_offsets"))  # type: ignore[arg-type]
        return ListColumn(get("offsets"), get("codes"), dictionary)  # type: ignore[arg-type]
    return OrderedColumn(get("values"), get("present").view(np.bool_))
