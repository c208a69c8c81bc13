"""The metadata of a fixed run of rows, by field and kind."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from quiredb.domain.filter_fields import Field, Scope
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


class ColumnBlockBuilder(Generic[Record]):
    """Collects records row by row and makes their block. One owner, used once."""

    def __init__(self, scope: Scope, values_of: Callable[[Record], Iterable[tuple[str, FieldValue]]]) -> None:
        self._scope = scope
        self._values_of = values_of
        self._count = 0
        self._cells: dict[tuple[str, type], tuple[list[int], list[FieldValue]]] = {}

    def add(self, record: Record) -> None:
        """The next row."""
        for name, value in self._values_of(record):
            cells = self._cells.get((name, value.__class__))
            if cells is None:
                cells = self._cells[name, value.__class__] = ([], [])
            cells[0].append(self._count)
            cells[1].append(value)
        self._count += 1

    def build(self, order: NDArray[np.int64] | None = None) -> ColumnBlock:
        """The block; with `order`, row i of it is the record order[i]."""
        place = None if order is None else np.argsort(order, kind="stable")
        columns = {}
        for key, (rows, values) in self._by_kind().items():
            moved, sorted_values = (rows, values) if place is None else _moved(place, rows, values)
            columns[key] = build_column(key[1], self._count, moved, sorted_values)
        return ColumnBlock(self._count, columns)

    def _by_kind(self) -> dict[ColumnKey, tuple[list[int], list[FieldValue]]]:
        """Cells by field and kind: integers and floats are one kind."""
        by_kind: dict[ColumnKey, tuple[list[int], list[FieldValue]]] = {}
        for (name, _), (rows, values) in self._cells.items():
            joined = by_kind.setdefault((Field(self._scope, name), kind_of(values[0])), ([], []))
            joined[0].extend(rows)
            joined[1].extend(values)
        return by_kind


def _moved(place: NDArray[np.int64], rows: list[int], values: list[FieldValue]) -> tuple[list[int], list[FieldValue]]:
    """The same cells at their rows' new places, ascending."""
    moved = place[rows]
    by_place = np.argsort(moved, kind="stable")
    return moved[by_place].tolist(), [values[i] for i in by_place.tolist()]
