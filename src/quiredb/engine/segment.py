"""A segment: an immutable run of chunk rows with their vectors, columns and index, derived from the store."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quiredb.domain.filter_fields import Field, Scope
from quiredb.domain.metadata import Kind
from quiredb.engine.column_block import ColumnBlock
from quiredb.engine.columns import TextColumn
from quiredb.engine.strings import StringDictionary
from quiredb.indexes.vector_index import VectorIndex

_ID = (Field(Scope.CHUNK, "id"), Kind.STRING)
_INDEX = "index."


@dataclass(frozen=True, slots=True)
class SegmentHeader:
    """What a segment file says about itself; kept as JSON in the file.

    It holds the chunks alive at `position` among rows in (low_row, high_row].
    """

    low_row: int
    high_row: int
    position: int
    columns: tuple[tuple[str, str, str], ...]
    index: Mapping[str, Any]
    """How the vector index describes itself; see `VectorIndex.description`."""

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "low_row": self.low_row,
            "high_row": self.high_row,
            "position": self.position,
            "columns": [list(column) for column in self.columns],
            "index": dict(self.index),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "SegmentHeader":
        """The inverse of `as_json`."""
        return cls(
            low_row=data["low_row"],
            high_row=data["high_row"],
            position=data["position"],
            columns=tuple((scope, name, kind) for scope, name, kind in data["columns"]),
            index=data["index"],
        )


@dataclass(frozen=True)
class Segment:
    """Arrays of one segment, perhaps mapped from its file.

    Rows stand in chunk id order, so that ties by place are ties by id.
    rows: int64[n] row numbers; by_row: int32[n], the places in row order; document_keys: int64[n];
    vectors: float32[n, d].
    """

    name: str
    header: SegmentHeader
    rows: NDArray[np.int64]
    by_row: NDArray[np.int32]
    document_keys: NDArray[np.int64]
    vectors: NDArray[np.float32]
    block: ColumnBlock
    index: VectorIndex
    file_bytes: int

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def ids(self) -> StringDictionary:
        """Chunk ids; an id's code is its place."""
        if not len(self):
            return StringDictionary.of(())
        column = self.block.columns[_ID]
        assert isinstance(column, TextColumn)
        return column.dictionary

    @cached_property
    def rows_in_order(self) -> NDArray[np.int64]:
        """Row numbers, ascending."""
        ordered: NDArray[np.int64] = self.rows[self.by_row]
        return ordered

    def places_of(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """The places of those of `rows` that are in this segment."""
        at = np.searchsorted(self.rows_in_order, rows)
        at[at == len(self)] = 0
        found = self.rows_in_order[at] == rows if len(self) else np.zeros(len(rows), np.bool_)
        places: NDArray[np.int64] = self.by_row[at[found]].astype(np.int64)
        return places


def segment_arrays(
    rows: NDArray[np.int64],
    document_keys: NDArray[np.int64],
    vectors: NDArray[np.float32],
    block: ColumnBlock,
    index: VectorIndex,
) -> dict[str, NDArray[Any]]:
    """Everything of a segment that goes into its file, as named arrays."""
    return {
        "rows": rows,
        "by_row": np.argsort(rows, kind="stable").astype(np.int32),
        "document_keys": document_keys,
        "vectors": vectors,
        **{_INDEX + name: array for name, array in index.arrays().items()},
        **block.arrays(),
    }


def open_segment_arrays(
    name: str, header: SegmentHeader, arrays: Mapping[str, NDArray[Any]], file_bytes: int
) -> Segment:
    """The segment that a file's header and arrays describe, without copying them."""
    rows, vectors = arrays["rows"], arrays["vectors"]
    index_arrays = {key.removeprefix(_INDEX): array for key, array in arrays.items() if key.startswith(_INDEX)}
    layout: Sequence[Sequence[str]] = header.columns
    return Segment(
        name=name,
        header=header,
        rows=rows,
        by_row=arrays["by_row"],
        document_keys=arrays["document_keys"],
        vectors=vectors,
        block=ColumnBlock.open(len(rows), layout, arrays),
        index=VectorIndex.open(vectors, header.index, index_arrays),
        file_bytes=file_bytes,
    )
