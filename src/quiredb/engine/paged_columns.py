"""Metadata columns of a list of records that only grows: what a fresh buffer and the documents of a library need.

Every 512 records are frozen into a column block; the records after the last full page are frozen when a filter asks for
them. What was published is never changed, so readers need no lock.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from quiredb.domain.filter_fields import Field, Scope
from quiredb.domain.metadata import FieldValue
from quiredb.engine.column_block import ColumnBlock, ColumnBlockBuilder

Record = TypeVar("Record")
PAGE_RECORDS = 512


@dataclass(frozen=True, slots=True)
class RecordKind(Generic[Record]):
    """How to read the fields of a record: its scope, the value of a field, the names of its attributes."""

    scope: Scope
    value_of: Callable[[Record, Field], FieldValue | None]
    attributes_of: Callable[[Record], Sequence[str]]

    def block(self, records: Sequence[Record]) -> ColumnBlock:
        """The columns of some records."""
        builder = ColumnBlockBuilder(self.scope, self.value_of)
        for record in records:
            builder.add(record, self.attributes_of(record))
        return builder.build()


class PagedColumns(Generic[Record]):
    """The growing list; one writer appends, readers see the prefix that a `Pages` snapshot fixed."""

    def __init__(self, kind: RecordKind[Record], blocks: Sequence[ColumnBlock] = ()) -> None:
        self._kind = kind
        self._blocks = tuple(blocks)
        self._tail: tuple[Record, ...] = ()

    def extend(self, records: Sequence[Record]) -> None:
        """Append records; full pages become column blocks."""
        pending = self._tail + tuple(records)
        full = len(pending) // PAGE_RECORDS * PAGE_RECORDS
        if full:
            self._blocks += (self._kind.block(pending[:full]),)
        self._tail = pending[full:]

    def snapshot(self) -> "Pages[Record]":
        """The list as it is now."""
        return Pages(self._kind, self._blocks, self._tail)


class Pages(Generic[Record]):
    """An immutable snapshot of a `PagedColumns`."""

    def __init__(self, kind: RecordKind[Record], blocks: tuple[ColumnBlock, ...], tail: tuple[Record, ...]) -> None:
        self._kind = kind
        self._full = blocks
        self._tail = tail
        self._tail_block: ColumnBlock | None = None

    @property
    def block_count(self) -> int:
        """How many frozen blocks there are."""
        return len(self._full)

    def blocks(self) -> tuple[ColumnBlock, ...]:
        """Blocks that cover all records in order.

        The last one is made at the first call; two readers that race make equal ones.
        """
        if not self._tail:
            return self._full
        if self._tail_block is None:
            self._tail_block = self._kind.block(self._tail)
        return (*self._full, self._tail_block)
