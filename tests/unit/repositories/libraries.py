"""Commands and waiting for tests of open libraries."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from quiredb.domain.commands import (
    CreateLibrary,
    DeleteChunk,
    IdempotencyToken,
    NewChunk,
    Operation,
    PutChunk,
    WriteBatch,
)
from quiredb.domain.indexing import JobState
from quiredb.domain.library import IndexKind, IndexSpec
from quiredb.domain.metadata import ChunkMetadata, LibraryMetadata
from quiredb.domain.metric import Metric
from quiredb.engine.searching import Nearest
from quiredb.repositories import segments
from quiredb.repositories.libraries import LibraryRepository
from quiredb.repositories.open_library import OpenLibrary
from tests.unit.engine.rows import START, vector_bytes

DIMENSION = 4
DEADLINE_SECONDS = 60.0
SEALED, WRITTEN = 1_500, 1_800
EXPECTED = set(range(100, WRITTEN))
"""Rows that `make` leaves alive."""


def creation(
    identifier: str = "library", kind: IndexKind = IndexKind.AUTO, token: IdempotencyToken | None = None
) -> CreateLibrary:
    return CreateLibrary(identifier, DIMENSION, Metric.L2, IndexSpec(kind), None, LibraryMetadata(), START, token)


def vector_of(number: int) -> NDArray[np.float32]:
    """A vector of its own for each number."""
    return np.random.default_rng(number).normal(size=DIMENSION).astype(np.float32)


def put(number: int, document: str = "document", **metadata: Any) -> PutChunk:
    chunk = NewChunk(
        f"chunk-{number:06d}", f"text {number}", vector_bytes(vector_of(number)), ChunkMetadata(**metadata)
    )
    return PutChunk(document, chunk, create_document=True)


def delete(number: int) -> DeleteChunk:
    return DeleteChunk(f"chunk-{number:06d}")


def batch(*operations: Operation) -> WriteBatch:
    return WriteBatch(operations, START)


def fill(library: OpenLibrary, numbers: range, step: int = 1_000) -> None:
    for start in range(numbers.start, numbers.stop, step):
        library.submit(batch(*map(put, range(start, min(start + step, numbers.stop)))))


def assert_no_bugs(repository: LibraryRepository) -> None:
    """Background work met no bug."""
    assert all("bug" not in worker.state().failures for worker in repository.housekeeping.workers())


@contextmanager
def opened(path: Path) -> Iterator[LibraryRepository]:
    repository = LibraryRepository.open(path)
    repository.start()
    try:
        yield repository
        assert_no_bugs(repository)
    finally:
        repository.close()


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Poll; fail after a deadline."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"did not happen: {what}"
        time.sleep(0.005)


def is_settled(repository: LibraryRepository, library: OpenLibrary) -> bool:
    """Whether no background work is left to do, but for audits."""
    quick, slow = repository.housekeeping.workers()
    return not (
        quick.busy_with(lambda task: task is library)
        or slow.busy_with(lambda task: task.library is library and not task.audits)
        or repository.housekeeping.is_building(library)
    )


def settle(repository: LibraryRepository, library: OpenLibrary) -> None:
    wait_until(lambda: is_settled(repository, library), "background work ends")


def neighbours(library: OpenLibrary, query: NDArray[np.float32], k: int = 10) -> list[str]:
    rows = library.search(library.view(), Nearest(query, k, exact=True)).found.rows
    chunks = library.store.chunks_by_row(rows)
    return [chunks[row].id for row in rows]


def assert_finds(library: OpenLibrary, numbers: set[int]) -> None:
    """The library holds exactly these chunks, and exact search ranks them as brute force does."""
    listed = sorted(numbers)
    vectors = np.array([vector_of(number) for number in listed], np.float64).reshape(-1, DIMENSION)
    for seed in (1, 2, 3):
        query = vector_of(10_000_000 + seed)
        order = np.argsort(((vectors - query.astype(np.float64)) ** 2).sum(axis=1), kind="stable")[:20]
        assert neighbours(library, query, 20) == [f"chunk-{listed[place]:06d}" for place in order.tolist()]
    found = neighbours(library, vector_of(0), len(numbers) + 10)
    assert set(found) == {f"chunk-{number:06d}" for number in numbers}


def rebuild(repository: LibraryRepository, library: OpenLibrary) -> None:
    job = repository.housekeeping.rebuild(library)
    wait_until(lambda: repository.jobs.get(job.id).state is JobState.SUCCEEDED, "the rebuild ends")


def segment_names(library: OpenLibrary) -> list[str]:
    return [part.segment.name for part in library.view().segments]


class Held:
    """Holds a build between collecting and swapping until it is let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reached, self.go = threading.Event(), threading.Event()
        build = segments.build_segment

        def held(*given):  # type: ignore[no-untyped-def]
            self.reached.set()
            assert self.go.wait(30)
            return build(*given)

        monkeypatch.setattr(segments, "build_segment", held)


def make(path: Path, kind: IndexKind = IndexKind.GRAPH) -> tuple[str, list[str]]:
    """A closed folder with a library in a segment with dead rows and a fresh buffer; its digest and an answer."""
    with opened(path) as repository:
        library, _ = repository.create(creation(kind=kind))
        fill(library, range(SEALED))
        job = repository.housekeeping.rebuild(library)
        wait_until(lambda: repository.jobs.get(job.id).done == job.total, "the rebuild ends")
        fill(library, range(SEALED, WRITTEN))
        library.submit(batch(*map(delete, range(100))))
        assert len(library.view().segments) == 1
        return library.store.digest(library.view().position), neighbours(library, vector_of(-1 % 2**32))
