"""Writers and readers on one library at once: every reader sees one exact state with its own writes in it."""

from __future__ import annotations

import random
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from quiredb.domain.chunk import Chunk
from quiredb.domain.commands import DeleteChunk, NewChunk, Operation, PutChunk
from quiredb.domain.filter_parsing import parse_filter
from quiredb.domain.indexing import JobState
from quiredb.domain.metadata import ChunkMetadata
from quiredb.engine.embeddings import as_vector
from quiredb.engine.searching import Nearest
from quiredb.engine.view import View, allowed_rows
from quiredb.repositories.libraries import LibraryRepository
from quiredb.repositories.open_library import OpenLibrary
from quiredb.repositories.segments import seal, unwatched
from tests.unit.engine.rows import vector_bytes
from tests.unit.repositories.libraries import DIMENSION, batch, creation, opened, settle

WRITERS, READERS = 4, 4
BATCHES = 30
BATCH_SIZE = 9
GLANCES = 300
SLOTS = 8
"""Each writer has so many tags; it writes a tag's whole batch, and removes or replaces it later."""


def chunk_id(writer: int, slot: int, number: int) -> str:
    return f"w{writer}-s{slot}-{number:02d}"


def put(writer: int, slot: int, number: int, round_: int, random_: random.Random) -> PutChunk:
    vector = [random_.randint(-3, 3) for _ in range(DIMENSION)]
    metadata = ChunkMetadata(tags=(f"w{writer}-s{slot}",), attributes={"round": round_})
    chunk = NewChunk(chunk_id(writer, slot, number), f"round {round_}", vector_bytes(vector), metadata)
    return PutChunk(f"document-{writer}", chunk, create_document=True)


class Writer:
    """Replaces and removes whole tags, and after each commit looks for what it wrote."""

    def __init__(self, library: OpenLibrary, number: int) -> None:
        self.library = library
        self.number = number
        self.random = random.Random(number)
        self.rounds: dict[int, int] = {}

    def run(self) -> None:
        for round_ in range(1, BATCHES + 1):
            slot = self.random.randrange(SLOTS)
            removes = slot in self.rounds and self.random.random() < 0.3
            operations: list[Operation] = [
                DeleteChunk(chunk_id(self.number, slot, number))
                if removes
                else put(self.number, slot, number, round_, self.random)
                for number in range(BATCH_SIZE)
            ]
            receipt = self.library.submit(batch(*operations))
            if removes:
                del self.rounds[slot]
            else:
                self.rounds[slot] = round_
            view = self.library.view()
            assert view.position >= receipt.position
            self.sees_its_writes(view)

    def sees_its_writes(self, view: View) -> None:
        for slot in range(SLOTS):
            tag = f"w{self.number}-s{slot}"
            filter_ = parse_filter({"tags": {"contains": tag}, "attributes.round": self.rounds.get(slot, 0)})
            expected = BATCH_SIZE if slot in self.rounds else 0
            assert allowed_rows(view, filter_, self.library.texts).count == expected, tag


class Reader:
    """Takes views and compares them with the store at the view's position."""

    def __init__(self, library: OpenLibrary, number: int, over: Callable[[], bool]) -> None:
        self.library = library
        self.random = random.Random(100 + number)
        self.over = over
        self.reads = 0
        self.kept: list[View] = []

    def run(self) -> None:
        last = 0
        while not self.over() or self.reads < 5:
            view = self.library.view()
            assert view.position >= last, "went back in time"
            last = view.position
            self.glance()
            self.read(view)
            if self.reads % 7 == 0:
                self.kept = [view, *self.kept[:2]]
        for view in self.kept:
            self.read(view)

    def glance(self) -> None:
        """Many views, each looked at briefly: one with the births of a commit but not its deaths would be too large."""
        for _ in range(GLANCES):
            view = self.library.view()
            assert allowed_rows(view, None, self.library.texts).count == view.library.chunk_count, "half a commit"

    def read(self, view: View) -> None:
        chunks = self.stored(view)
        tags = Counter(tag for chunk in chunks for tag in chunk.metadata.tags)
        assert set(tags.values()) <= {BATCH_SIZE}, "the store shows half a batch"
        assert view.library.chunk_count == len(chunks)
        tag = f"w{self.random.randrange(WRITERS)}-s{self.random.randrange(SLOTS)}"
        filter_ = parse_filter({"tags": {"contains": tag}})
        assert allowed_rows(view, filter_, self.library.texts).count == tags.get(tag, 0), "a torn batch"
        query = np.array([self.random.randint(-3, 3) for _ in range(DIMENSION)], np.float32)
        k = self.random.choice([1, 10, len(chunks) + 5])
        for chosen in (None, filter_):
            matching = chunks if chosen is None else [chunk for chunk in chunks if tag in chunk.metadata.tags]
            ranking = self.library.search(view, Nearest(query, k), chosen)
            found = self.library.store.chunks_by_row(ranking.found.rows)
            pairs = zip(ranking.found.distances, ranking.found.rows, strict=True)
            near = [(distance, found[row].id) for distance, row in pairs if row in found]
            assert near == brute_force(query, matching)[:k], "another row, or one that a held view sees was purged"
        self.reads += 1

    def stored(self, view: View) -> list[Chunk]:
        batches = self.library.store.live_chunk_rows(0, None, view.position)
        return [row.chunk for rows in batches for row in rows]


def brute_force(query: NDArray[np.float32], chunks: list[Chunk]) -> list[tuple[float, str]]:
    """Components are small integers, so squared distances are exact."""
    ranked = [
        (float(((as_vector(chunk.embedding or b"").astype(np.float64) - query) ** 2).sum()), chunk.id)
        for chunk in chunks
    ]
    return sorted(ranked)


def rebuild_over_and_over(repository: LibraryRepository, library: OpenLibrary, over: Callable[[], bool]) -> int:
    """Seals, merges and rebuilds under the feet of everybody."""
    rounds, job = 0, repository.housekeeping.rebuild(library)
    while not over():
        seal(library, unwatched(lambda: False))
        if repository.jobs.get(job.id).state is JobState.SUCCEEDED:
            job = repository.housekeeping.rebuild(library)
        rounds += 1
    return rounds


@pytest.fixture
def switching_often() -> Iterator[None]:
    """Threads take turns far more often than usual, so that they meet in the middle of things."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("switching_often")
def test_readers_and_writers_do_not_disturb_each_other(tmp_path: Path) -> None:
    with opened(tmp_path) as repository:
        library, _ = repository.create(creation())
        written = threading.Event()
        readers = [Reader(library, number, written.is_set) for number in range(READERS)]
        writers = [Writer(library, number) for number in range(WRITERS)]
        with ThreadPoolExecutor(WRITERS + READERS + 1) as pool:
            background = pool.submit(rebuild_over_and_over, repository, library, written.is_set)
            reading = [pool.submit(reader.run) for reader in readers]
            writing = [pool.submit(writer.run) for writer in writers]
            errors = [future.exception() for future in writing]
            written.set()
            for error in errors:
                if error is not None:
                    raise error
            for future in reading:
                future.result()
            assert background.result() > 0
        assert library.view().position == WRITERS * BATCHES
        for writer in writers:
            writer.sees_its_writes(library.view())
        for reader in readers:
            assert reader.reads >= 5
            reader.kept.clear()
        settle(repository, library)
        Reader(library, 0, lambda: True).read(library.view())
        assert not library.store.has_dead_versions()
