"""Commands and values for the storage tests, as short as they can be said."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import numpy as np

from quiredb.domain.commands import (
    ANY_STATE,
    CreateLibrary,
    Expectation,
    IdempotencyToken,
    NewChunk,
    Operation,
    PutChunk,
    Receipt,
    WriteBatch,
)
from quiredb.domain.errors import QuireError
from quiredb.domain.library import EmbedderSpec, IndexKind, IndexSpec
from quiredb.domain.metadata import ChunkMetadata, LibraryMetadata
from quiredb.domain.metric import Metric
from quiredb.storage.library_store import Applied, LibraryStore

DIMENSION = 4
START = datetime(2026, 1, 1, tzinfo=UTC)


def instant(number: int) -> datetime:
    return START + timedelta(minutes=number)


def create_command(dimension: int = DIMENSION, library_id: str = "library") -> CreateLibrary:
    return CreateLibrary(
        id=library_id,
        dimension=dimension,
        metric=Metric.COSINE,
        index=IndexSpec(IndexKind.GRAPH, {"degree": 32}),
        embedder=EmbedderSpec("cohere", "embed", dimension, "search_document", None),
        metadata=LibraryMetadata("Title", None, ("one", "two"), {"year": 2026, "list": ("a", "b")}),
        at=START,
    )


def embedding(number: float = 1.0, dimension: int = DIMENSION) -> bytes:
    return (np.arange(dimension, dtype="<f4") + np.float32(number)).tobytes()


def new_chunk(chunk_id: str, text: str = "text", position: int | None = None, number: float = 1.0) -> NewChunk:
    return NewChunk(chunk_id, text, embedding(number), ChunkMetadata(), position)


def put(
    chunk_id: str,
    document_id: str = "d",
    position: int | None = None,
    text: str = "text",
    expected: Expectation = ANY_STATE,
) -> PutChunk:
    return PutChunk(document_id, new_chunk(chunk_id, text, position), expected, create_document=True)


def batch(*operations: Operation, minute: int = 1, token: IdempotencyToken | None = None) -> WriteBatch:
    return WriteBatch(tuple(operations), instant(minute), token)


def done(result: Applied | QuireError) -> Applied:
    """The result of a command that must have succeeded."""
    assert isinstance(result, Applied), result
    return result


def write(store: LibraryStore, *operations: Operation, minute: int = 1) -> Receipt:
    """Write one batch that must succeed."""
    return done(store.write([batch(*operations, minute=minute)])[0]).receipt


def refusal(store: LibraryStore, *operations: Operation) -> QuireError:
    """Write one batch that must be refused without a trace."""
    before, digest = store.library(), store.digest(store.library().position)
    (result,) = store.write([batch(*operations)])
    assert isinstance(result, QuireError), result
    assert store.library() == before
    assert store.digest(before.position) == digest
    return result


def fill(store: LibraryStore, count: int, dimension: int = DIMENSION, text: str = "some text " * 20) -> list[str]:
    """Write `count` chunks, 100 to a document; returns their ids."""
    ids = [f"chunk-{number * 7919 % 1_000_003}" for number in range(count)]
    for start in range(0, count, 1_000):
        operations = [
            PutChunk(
                f"document-{number // 100}",
                NewChunk(ids[number], text, embedding(number, dimension), ChunkMetadata(page=number % 9)),
                create_document=True,
            )
            for number in range(start, min(count, start + 1_000))
        ]
        write(store, *operations)
    return ids


def in_slices(values: list[str], size: int = 1_000) -> Iterable[list[str]]:
    return (values[start : start + size] for start in range(0, len(values), size))
