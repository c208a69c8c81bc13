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
from quiredb.indexes.contract import MetricName, VectorIndex
from quiredb.indexes.flat import FlatIndex, open_flat
from quiredb.indexes.graph import open_graph

_ID = (Field(Scope.CHUNK, "id"), Kind.STRING)
_INDEX = "index."


@dataclass(frozen=True, slots=True)
class EffortPoint:
    """What one effort was measured to give when the segment was built."""

    effort: int
    recall: float
    seconds: float


@dataclass(frozen=True, slots=True)
class SegmentHeader:
    """What a segment file says about itself; kept as JSON in the file.

    It holds the chunks alive at `position` among rows in (low_row, high_row].
    """

    low_row: int
    high_row: int
    position: int
    metric: MetricName
    kind: str
    curve: tuple[EffortPoint, ...]
    columns: tuple[tuple[str, str, str], ...]
    parameters: Mapping[str, int]

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "low_row": self.low_row,
            "high_row": self.high_row,
            "position": self.position,
            "metric": self.metric,
            "kind": self.kind,
            "curve": [[point.effort, point.recall, point.seconds] for point in self.curve],
            "columns": [list(column) for column in self.columns],
            "parameters": dict(self.parameters),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "SegmentHeader":
        """The inverse of `as_json`."""
        return cls(
            low_row=data["low_row"],
            high_row=data["high_row"],
            position=data["position"],
            metric=data["metric"],
            kind=data["kind"],
            curve=tuple(EffortPoint(*point) for point in data["curve"]),
            columns=tuple((scope, name, kind) for scope, name, kind in data["columns"]),
            parameters=data["parameters"],
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
    flat: FlatIndex
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

    def effort_for(self, recall: float) -> int | None:
        """The cheapest effort measured to reach `recall`; None when none did (then only an exact scan will do)."""
        reached = [point.effort for point in self.header.curve if point.recall >= recall]
        return min(reached, default=None)

    def largest_effort(self) -> int | None:
        """The largest effort that was measured; None when there is nothing to choose."""
        return max((point.effort for point in self.header.curve), default=None)


def segment_arrays(
    rows: NDArray[np.int64],
    document_keys: NDArray[np.int64],
    vectors: NDArray[np.float32],
    block: ColumnBlock,
    flat: FlatIndex,
    index: VectorIndex,
) -> dict[str, NDArray[Any]]:
    """Everything of a segment that goes into its file, as named arrays. `index` is `flat`, or walks on its codes."""
    return {
        "rows": rows,
        "by_row": np.argsort(rows, kind="stable").astype(np.int32),
        "document_keys": document_keys,
        "vectors": vectors,
        **{_INDEX + name: array for name, array in {**flat.arrays(), **index.arrays()}.items()},
        **block.arrays(),
    }


def open_segment_arrays(
    name: str, header: SegmentHeader, arrays: Mapping[str, NDArray[Any]], file_bytes: int
) -> Segment:
    """The segment that a file's header and arrays describe, without copying them."""
    rows, vectors = arrays["rows"], arrays["vectors"]
    index_arrays = {key.removeprefix(_INDEX): array for key, array in arrays.items() if key.startswith(_INDEX)}
    flat = open_flat(vectors, header.metric, index_arrays)
    index: VectorIndex = flat if header.kind == "flat" else open_graph(flat, index_arrays)
    layout: Sequence[Sequence[str]] = header.columns
    return Segment(
        name=name,
        header=header,
        rows=rows,
        by_row=arrays["by_row"],
        document_keys=arrays["document_keys"],
        vectors=vectors,
        block=ColumnBlock.open(len(rows), layout, arrays),
        flat=flat,
        index=index,
        file_bytes=file_bytes,
    )
