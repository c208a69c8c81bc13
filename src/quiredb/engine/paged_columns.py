"""Metadata columns of a list of records that only grows: what a fresh buffer and the documents of a library need.

Records come in pages. The columns of a page are made when a filter first asks for them, and kept: writing stays cheap,
and what was published is never changed, so readers need no lock.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from quiredb.domain.filter_fields import Scope
from quiredb.domain.metadata import FieldValue
from quiredb.engine.column_block import ColumnBlock, ColumnBlockBuilder

Record = TypeVar("Record")
PAGE_RECORDS = 512


@dataclass(frozen=True, slots=True)
class RecordKind(Generic[Record]):
    """How to read records: whose fields they have, and the values that a record's fields hold."""

    scope: Scope
    values_of: Callable[[Record], Iterable[tuple[str, FieldValue]]]

    def block(self, records: Sequence[Record]) -> ColumnBlock:
        """The columns of some records."""
        builder = ColumnBlockBuilder(self.scope, self.values_of)
        for record in records:
            builder.add(record)
        return builder.build()


class _Page(Generic[Record]):
    """Some records, until their columns are asked for; from then on their columns."""

    def __init__(self, kind: RecordKind[Record], records: tuple[Record, ...]) -> None:
        self._kind = kind
        self._content: tuple[Record, ...] | ColumnBlock = records

    def block(self) -> ColumnBlock:
        """The columns. Two readers that race make equal ones; the last assignment stays."""
        content = self._content
        if isinstance(content, ColumnBlock):
            return content
        block = self._kind.block(content)
        self._content = block
        return block


class PagedColumns(Generic[Record]):
    """The growing list; one writer appends, readers see the prefix that a `Pages` snapshot fixed."""

    def __init__(self, kind: RecordKind[Record]) -> None:
        self._kind = kind
        self._full: tuple[_Page[Record], ...] = ()
        self._tail: tuple[Record, ...] = ()

    def extend(self, records: Sequence[Record]) -> None:
        """Append records. What fills a page or more becomes one page."""
        pending = self._tail + tuple(records)
        full = len(pending) // PAGE_RECORDS * PAGE_RECORDS
        if full:
            self._full += (_Page(self._kind, pending[:full]),)
        self._tail = pending[full:]

    def snapshot(self) -> "Pages[Record]":
        """The list as it is now."""
        tail = (_Page(self._kind, self._tail),) if self._tail else ()
        return Pages(self._full + tail)


@dataclass(frozen=True, slots=True)
class Pages(Generic[Record]):
    """An immutable snapshot of a `PagedColumns`."""

    pages: tuple[_Page[Record], ...]

    def __len__(self) -> int:
        return len(self.pages)

    def blocks(self) -> tuple[ColumnBlock, ...]:
        """Blocks that cover all records in order."""
        return tuple(page.block() for page in self.pages)
