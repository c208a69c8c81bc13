"""Chunks, documents and libraries for tests of the engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quiredb.domain.changes import ChunkRow, DocumentRow
from quiredb.domain.chunk import Chunk
from quiredb.domain.document import Document
from quiredb.domain.library import IndexSpec, Library
from quiredb.domain.metadata import ChunkMetadata, DocumentMetadata, LibraryMetadata
from quiredb.domain.metric import Metric

START = datetime(2026, 1, 1, tzinfo=UTC)


def instant(number: int) -> datetime:
    return START + timedelta(hours=number)


def vector_bytes(vector: Sequence[float] | NDArray[Any]) -> bytes:
    return np.asarray(vector, "<f4").tobytes()


def chunk_of(
    number: int,
    metadata: Mapping[str, Any] | None = None,
    *,
    document: int = 0,
    text: str | None = None,
    vector: Sequence[float] | NDArray[Any] | None = None,
) -> Chunk:
    """The chunk `chunk-<number>`; without a vector it has no embedding."""
    return Chunk(
        id=f"chunk-{number:05d}",
        document_id=f"document-{document}",
        position=number,
        text=f"text {number}" if text is None else text,
        metadata=ChunkMetadata(**(metadata or {})),
        version=number + 1,
        created_at=instant(number),
        updated_at=instant(number + 1),
        embedding=None if vector is None else vector_bytes(vector),
    )


def chunk_row(row: int, chunk: Chunk, document_key: int = 0) -> ChunkRow:
    return ChunkRow(row, document_key, chunk)


def document_of(key: int, metadata: Mapping[str, Any] | None = None, version: int = 1) -> Document:
    """The document `document-<key>`."""
    return Document(
        id=f"document-{key}",
        metadata=DocumentMetadata(**(metadata or {})),
        chunk_count=0,
        version=version,
        created_at=instant(key),
        updated_at=instant(version),
    )


def document_row(row: int, key: int, document: Document) -> DocumentRow:
    return DocumentRow(row, key, document)


def library_of(
    position: int = 0, *, dimension: int = 4, metric: Metric = Metric.L2, chunks: int = 0, documents: int = 0
) -> Library:
    return Library(
        id="library",
        dimension=dimension,
        metric=metric,
        index=IndexSpec(),
        embedder=None,
        metadata=LibraryMetadata(),
        document_count=documents,
        chunk_count=chunks,
        position=position,
        version=0,
        created_at=START,
        updated_at=START,
    )
