"""Data that is replaced ten times over by deletes and inserts: recall, disk and memory stay those of a fresh library.

Writes go the real way (commands, commits, store); background work is done by hand between them, so that every run does
the same. Each turnover's data lie elsewhere, so that lists and graphs that were made for the old would not do.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from quiredb.domain.commands import CreateLibrary, DeleteChunk, NewChunk, PutChunk, WriteBatch
from quiredb.domain.library import IndexKind, IndexSpec
from quiredb.domain.metadata import ChunkMetadata, LibraryMetadata
from quiredb.domain.metric import Metric
from quiredb.engine.building import Progress
from quiredb.engine.index_choice import plan_segment
from quiredb.engine.recall import compare
from quiredb.engine.searching import Nearest
from quiredb.indexes import VectorIndex, exact_distances, measuring
from quiredb.repositories import housekeeping
from quiredb.repositories.housekeeping import _Build
from quiredb.repositories.index_state import describe_library
from quiredb.repositories.libraries import LibraryRepository
from quiredb.repositories.open_library import OpenLibrary
from quiredb.repositories.segments import seal
from tests.unit.engine.rows import START, vector_bytes

TURNOVERS, QUERIES, K = 10, 100, 10
RECALL_LOST_MAX = 0.01
DISK_MAX, MEMORY_MAX = 1.5, 1.5
"""Bytes as a multiple of those of the library when it was fresh, with as many chunks."""
QUIET = Progress(report=lambda _: None, cancelled=lambda: False)
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Size:
    """A library's living rows, their dimension, and the rows of a write."""

    rows: int
    dimension: int
    batch: int


class Churned:
    """A library under churn, and what it should hold: vectors by chunk number."""

    def __init__(self, folder: Path, index: IndexSpec, size: Size) -> None:
        self.folder = folder
        self.repository = LibraryRepository.open(folder)
        command = CreateLibrary("library", size.dimension, Metric.L2, index, None, LibraryMetadata(), START)
        self.library: OpenLibrary = self.repository.create(command)[0]
        self.living: dict[int, Floats] = {}
        self._batch = size.batch

    def begin(self, vectors: Floats) -> None:
        """Insert all at once, into one segment."""
        for start in range(0, len(vectors), self._batch):
            part = slice(start, start + self._batch)
            self._put(range(len(vectors))[part], vectors[part])
        seal(self.library, QUIET)
        self.tidy()

    def insert(self, numbers: Sequence[int], vectors: Floats) -> None:
        self._put(numbers, vectors)
        self.tidy()

    def delete(self, numbers: Sequence[int]) -> None:
        self._write([DeleteChunk(f"chunk-{number:07d}") for number in numbers])
        for number in numbers:
            del self.living[number]
        self.tidy()

    def tidy(self) -> None:
        """Everything that background work would do, until there is nothing left."""
        work = self.repository.housekeeping
        more = True
        while more:
            self.library.reclaimed_at = -math.inf
            more = work._tidy(self.library)
            while work._next_merge(self.library):
                work._perform(_Build(self.library))
                more = True

    def recall(self, queries: Floats) -> float:
        view = self.library.view()
        shares = [compare(view, Nearest(query, K), None, self.library.texts).share for query in queries]
        return float(np.mean([share for share in shares if share is not None]))

    def recall_if_built_anew(self, queries: Floats) -> float:
        rows = np.stack([self.living[number] for number in sorted(self.living)])
        plan = plan_segment(self.library.view().library.index, len(rows))
        index = VectorIndex.build(rows, "l2", plan.kind, threads=2, **plan.parameters)
        truth = index.flat.search_batch(queries, K)[1][:, -1]
        found = index.search_batch(queries, K)[0]
        distances = [exact_distances(query, rows, some, "l2") for query, some in zip(queries, found, strict=True)]
        return float(np.mean([np.mean(near <= last) for near, last in zip(distances, truth, strict=True)]))

    def state(self, query: Floats) -> set[str]:
        """What makes the library unlike a fresh one, and whether indexes answer."""
        view = self.library.view()
        parts = self.library.search(view, Nearest(query, K)).plan.parts
        facts = {
            "dead rows": any(part.dead_count for part in view.segments),
            "fresh rows": len(view.fresh) > 0,
            "walks": any("scan" not in part.strategy for part in parts),
        }
        return {name for name, holds in facts.items() if holds}

    def disk(self) -> int:
        """Bytes of all files, closed (which merges the log into the database). Then the folder is opened again."""
        self.repository.close()
        size = sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())
        self.repository = LibraryRepository.open(self.folder)
        self.library = self.repository.get("library")
        return size

    def memory(self) -> int:
        """Bytes of the indexes that must be in memory."""
        return describe_library(self.library, self.repository.housekeeping).memory_bytes["hot"]

    def _put(self, numbers: Sequence[int], vectors: Floats) -> None:
        self._write(
            [
                PutChunk(
                    f"document-{number % 50}",
                    NewChunk(f"chunk-{number:07d}", f"text {number}", vector_bytes(vector), ChunkMetadata()),
                    create_document=True,
                )
                for number, vector in zip(numbers, vectors, strict=True)
            ]
        )
        self.living.update(zip(numbers, vectors, strict=True))

    def _write(self, operations: Sequence[PutChunk | DeleteChunk]) -> None:
        self.library.submit(WriteBatch(tuple(operations), START))


def places(turnover: int, count: int, dimension: int, seed: int) -> Floats:
    """Rows around fifty centres of their own for each turnover."""
    centres = np.random.default_rng(1_000 + turnover).standard_normal((50, dimension))
    random = np.random.default_rng(seed)
    rows = centres[random.integers(0, 50, count)] + 0.5 * random.standard_normal((count, dimension))
    return rows.astype(np.float32)


def churn(folder: Path, index: IndexSpec, size: Size) -> None:
    churned = Churned(folder, index, size)
    churned.begin(places(0, size.rows, size.dimension, seed=0))
    disk, memory = churned.disk(), churned.memory()
    random = np.random.default_rng(5)
    seen: set[str] = set()
    for turnover in range(1, TURNOVERS + 1):
        old = random.permutation(sorted(churned.living)).tolist()
        rows = places(turnover, size.rows, size.dimension, seed=turnover)
        for start in range(0, size.rows, size.batch):
            part = slice(start, start + size.batch)
            churned.insert(range(turnover * size.rows, (turnover + 1) * size.rows)[part], rows[part])
            churned.delete(old[part])
        assert churned.library.view().library.chunk_count == size.rows
        queries = places(turnover, QUERIES, size.dimension, seed=99)
        assert churned.recall(queries) >= churned.recall_if_built_anew(queries) - RECALL_LOST_MAX
        assert churned.disk() <= DISK_MAX * disk
        assert churned.memory() <= MEMORY_MAX * memory
        seen |= churned.state(queries[0])
    assert seen == {"dead rows", "fresh rows", "walks"}
    churned.repository.close()


@pytest.fixture
def slow_scans(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that indexes have to answer, and no clock decides."""
    monkeypatch.setattr(measuring, "_scans", lambda flat, random: (1.0, ((1.0, 1.0),)))


SMALL_GRAPH = IndexSpec(IndexKind.GRAPH, {"degree": 16, "build_effort": 50})


@pytest.mark.parametrize("index", [SMALL_GRAPH, IndexSpec(IndexKind.IVF)], ids=lambda index: index.kind.value)
@pytest.mark.usefixtures("slow_scans")
def test_ten_turnovers_leave_no_trace(index: IndexSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(housekeeping, "SEAL_ROWS", 400)
    monkeypatch.setattr(measuring, "MASKED_SHARES", (0.5,))
    churn(tmp_path, index, Size(rows=1_500, dimension=16, batch=210))


@pytest.mark.deep
@pytest.mark.parametrize("kind", [IndexKind.GRAPH, IndexKind.IVF])
@pytest.mark.usefixtures("slow_scans")
def test_ten_turnovers_of_many_rows_leave_no_trace(kind: IndexKind, tmp_path: Path) -> None:
    churn(tmp_path, IndexSpec(kind), Size(rows=10_000, dimension=48, batch=700))
