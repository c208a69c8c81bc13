"""The metadata of a fixed run of rows, by field and kind."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from quiredb.domain.filter_fields import ATTRIBUTES, Field, Scope, fixed_fields
from quiredb.domain.metadata import FieldValue, Kind, kind_of
from quiredb.engine.columns import Column, build_column, open_column

Record = TypeVar("Record")
ColumnKey: TypeAlias = tuple[Field, Kind]

TEXT = Field(Scope.CHUNK, "text")
"""The one field without a column: texts stay in the store."""


@dataclass(frozen=True, slots=True)
class ColumnBlock:
    """Columns of `count` rows. A field has a column for each kind of value that occurs in it."""

    count: int
    columns: Mapping[ColumnKey, Column]

    def kinds(self, field: Field) -> tuple[Column, ...]:
        """All columns of a field."""
        return tuple(column for (name, _), column in self.columns.items() if name == field)

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Every column as named arrays `column.<number>.<part>`; the numbers follow `layout`."""
        return {
            f"column.{number}.{part}": array
            for number, column in enumerate(self.columns.values())
            for part, array in column.arrays().items()
        }

    def layout(self) -> list[list[str]]:
        """Scope, name and kind of each column, in order."""
        return [[field.scope, field.name, kind] for field, kind in self.columns]

    @classmethod
    def open(
        cls, count: int, layout: Sequence[Sequence[str]], arrays: Mapping[str, NDArray[np.generic]]
    ) -> "ColumnBlock":
        """The block that `arrays` and `layout` describe; arrays may be mapped from a file."""
        parts: dict[int, dict[str, NDArray[np.generic]]] = {}
        for name, array in arrays.items():
            prefix, _, rest = name.partition(".")
            if prefix == "column":
                number, _, part = rest.partition(".")
                parts.setdefault(int(number), {})[part] = array
        columns = {
            (Field(Scope(scope), name), Kind(kind)): open_column(Kind(kind), parts[number])
            for number, (scope, name, kind) in enumerate(layout)
        }
        return cls(count, columns)


class ColumnBlockBuilder:
    """Collects records row by row and makes their block. One owner, used once."""

    def __init__(self, scope: Scope, value_of: Callable[[Record, Field], FieldValue | None]) -> None:
        self._scope = scope
        self._value_of: Callable[..., FieldValue | None] = value_of
        self._fixed = tuple(field for field in fixed_fields(scope) if field != TEXT)
        self._count = 0
        self._cells: dict[ColumnKey, tuple[list[int], list[FieldValue]]] = {}

    def add(self, record: object, attributes: Iterable[str]) -> None:
        """The next row: a record and the names of its attributes."""
        for field in self._fixed:
            self._put(field, self._value_of(record, field))
        for name in attributes:
            field = Field(self._scope, ATTRIBUTES + name)
            self._put(field, self._value_of(record, field))
        self._count += 1

    def _put(self, field: Field, value: FieldValue | None) -> None:
        if value is None:
            return
        rows, values = self._cells.setdefault((field, kind_of(value)), ([], []))
        rows.append(self._count)
        values.append(value)

    def build(self, order: NDArray[np.int64] | None = None) -> ColumnBlock:
        """The block; with `order`, row i of it is the record order[i]."""
        columns = {}
        place = None if order is None else np.argsort(order, kind="stable")
        for (field, kind), (rows, values) in self._cells.items():
            moved, sorted_values = (rows, values) if place is None else _moved(place, rows, values)
            columns[field, kind] = build_column(kind, self._count, moved, sorted_values)
        return ColumnBlock(self._count, columns)


def _moved(place: NDArray[np.int64], rows: list[int], values: list[FieldValue]) -> tuple[list[int], list[FieldValue]]:
    """The same cells at their rows' new places, ascending."""
    moved = place[rows]
    by_place = np.argsort(moved, kind="stable")
    return moved[by_place].tolist(), [values[i] for i in by_place.tolist()]
