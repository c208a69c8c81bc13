"""From rows of the store to a segment: sort by id, make columns, build and measure the index."""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quiredb.domain.changes import ChunkRow
from quiredb.domain.errors import JobCancelled
from quiredb.domain.filter_fields import Scope, chunk_values
from quiredb.engine.column_block import ColumnBlock, ColumnBlockBuilder
from quiredb.engine.index_choice import IndexPlan
from quiredb.engine.segment import Segment, SegmentHeader, segment_arrays
from quiredb.indexes.contract import BuildCancelled, MetricName
from quiredb.indexes.vector_index import VectorIndex

_THREADS = max(1, (os.cpu_count() or 1) - 1)
"""Threads of one build: one processor stays free for searches and writes."""


@dataclass(frozen=True, slots=True)
class RowRange:
    """Rows in (low, high] that are alive at `position`."""

    low: int
    high: int
    position: int


@dataclass(frozen=True, slots=True)
class SegmentContents:
    """Rows of a segment to be, in chunk id order."""

    rows: NDArray[np.int64]
    document_keys: NDArray[np.int64]
    vectors: NDArray[np.float32]
    block: ColumnBlock


@dataclass(frozen=True, slots=True)
class Progress:
    """How a build reports (0..1) and learns that nobody wants it any more."""

    report: Callable[[float], None]
    cancelled: Callable[[], bool]

    def check(self) -> None:
        """Stop the build here when it was cancelled."""
        if self.cancelled():
            raise JobCancelled("The build was cancelled.")


def collect(batches: Iterable[Sequence[ChunkRow]], dimension: int, progress: Progress) -> SegmentContents:
    """Read all batches into contents sorted by chunk id (UTF-8 order)."""
    builder = ColumnBlockBuilder(Scope.CHUNK, chunk_values)
    rows: list[int] = []
    keys: list[int] = []
    ids: list[bytes] = []
    pieces: list[NDArray[np.float32]] = []
    for batch in batches:
        progress.check()
        pieces.append(vectors_of(batch, dimension))
        for row in batch:
            builder.add(row.chunk)
            rows.append(row.row)
            keys.append(row.document_key)
            ids.append(row.chunk.id.encode())
    order = np.array(sorted(range(len(ids)), key=ids.__getitem__), np.int64)
    vectors = np.concatenate(pieces) if pieces else np.empty((0, dimension), np.float32)
    return SegmentContents(
        np.array(rows, np.int64)[order], np.array(keys, np.int64)[order], vectors[order], builder.build(order)
    )


def vectors_of(batch: Sequence[ChunkRow], dimension: int) -> NDArray[np.float32]:
    """The embeddings of some rows as float32[n, d]."""
    joined = b"".join(row.chunk.embedding or b"" for row in batch)
    return np.frombuffer(joined, "<f4").astype(np.float32, copy=False).reshape(len(batch), dimension)


def build_segment(
    contents: SegmentContents,
    span: RowRange,
    metric: MetricName,
    plan: IndexPlan,
    progress: Progress,
    like: Segment | None = None,
    queries: NDArray[np.float32] | None = None,
) -> tuple[SegmentHeader, dict[str, NDArray[Any]]]:
    """Build the index of a segment, measure it, and lay everything out for its file. Raises `JobCancelled`.

    like: where most of its rows were until now; an ivf starts from the lists there. queries: float32[m, d],
    to measure with beside its own rows.
    """
    index = _index(contents.vectors, metric, plan, progress, like.index if like else None, queries)
    header = SegmentHeader(
        low_row=span.low,
        high_row=span.high,
        position=span.position,
        columns=tuple((scope, name, kind) for scope, name, kind in contents.block.layout()),
        index=index.description(),
    )
    return header, segment_arrays(contents.rows, contents.document_keys, contents.vectors, contents.block, index)


def measured_with(segment: Segment, queries: NDArray[np.float32], cancelled: Callable[[], bool]) -> Segment:
    """The segment with its index measured with `queries` (float32[m, d]) too. Raises `JobCancelled`."""
    try:
        index = segment.index.with_queries(queries, cancelled=cancelled)
    except BuildCancelled:
        raise JobCancelled("Measuring was cancelled.") from None
    return segment if index is segment.index else replace(segment, index=index)


def _index(
    vectors: NDArray[np.float32],
    metric: MetricName,
    plan: IndexPlan,
    progress: Progress,
    like: VectorIndex | None,
    queries: NDArray[np.float32] | None,
) -> VectorIndex:
    try:
        index = VectorIndex.build(
            vectors,
            metric,
            plan.kind,
            threads=_THREADS,
            progress=progress.report,
            cancelled=progress.cancelled,
            like=like,
            **plan.parameters,
        )
        return index if queries is None else index.with_queries(queries, cancelled=progress.cancelled)
    except BuildCancelled:
        raise JobCancelled("The build was cancelled.") from None
