"""One library as a Hypothesis state machine: every write, every piece of background work, restarts and crashes."""

from __future__ import annotations

import random
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from quiredb.app import Instance
from quiredb.domain.commands import ANY_STATE, Expectation
from quiredb.domain.drafts import ChunkDraft, DeleteChunkDraft, DocumentDraft, LibraryDraft, PutChunkDraft
from quiredb.domain.errors import QuireError
from quiredb.domain.filter_parsing import parse_filter
from quiredb.domain.library import IndexKind, IndexSpec
from quiredb.domain.metadata import ChunkMetadata, DocumentMetadata, LibraryMetadata
from quiredb.domain.metric import Metric
from quiredb.engine.merging import MergeRange
from quiredb.engine.searching import Nearest
from quiredb.repositories import segments
from quiredb.repositories.open_library import OpenLibrary
from quiredb.settings import Settings
from reliability.twin import Twin, TwinChunk

LIBRARY = "model"
DIMENSION = 3
_MEMORY_FOLDER = Path("/dev/shm")

CHUNKS = 14
chunk_ids = st.sampled_from([f"c{number:02d}" for number in range(CHUNKS)])
document_ids = st.sampled_from(["d0", "d1", "d2"])
numbers = st.integers(-2, 2)
chunks = st.builds(
    TwinChunk,
    text=st.sampled_from(["amber", "amber birch", "copper", ""]),
    vector=st.tuples(*[numbers] * DIMENSION),
    page=st.integers(0, 3),
)
conditions = st.sampled_from(["", "", "now", "never", "new"])
filters = st.sampled_from(
    [
        None,
        {"page": {"lt": 2}},
        {"page": 1},
        {"text": {"contains": "amber"}},
        {"document_id": "d1"},
        {"page": {"ne": 0}},
    ]
)


class LibraryMachine(RuleBasedStateMachine):
    """One library, its twin, and the views that somebody still holds."""

    steps: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        folder = _MEMORY_FOLDER if _MEMORY_FOLDER.is_dir() else None
        self._scratch = Path(tempfile.mkdtemp(prefix="quire-model-", dir=folder))
        self._copies = 0
        self._data = self._scratch / "data-0"
        self._instance = Instance(Settings(data=self._data))
        draft = LibraryDraft(LIBRARY, DIMENSION, Metric.L2, IndexSpec(IndexKind.AUTO), None, LibraryMetadata())
        self._instance.services.libraries.create(draft)
        self.twin = Twin()
        self._held: list[tuple[Any, Twin]] = []

    def teardown(self) -> None:
        self._held.clear()
        self._instance.close()
        shutil.rmtree(self._scratch)

    @property
    def library(self) -> OpenLibrary:
        return self._instance.repository.get(LIBRARY)

    @initialize()
    def begin(self) -> None:
        self.fill(0)

    @rule(seed=st.integers(0, 1_000))
    def fill(self, seed: int) -> None:
        """Every document and every chunk is there again: most steps are refused in an empty library."""
        chance = random.Random(seed)
        for name in ("d0", "d1", "d2"):
            if name not in self.twin.documents:
                self.put_document(name, "one", None)
        puts = {}
        for number in range(CHUNKS):
            name = f"c{number:02d}"
            vector = tuple(chance.randint(-2, 2) for _ in range(DIMENSION))
            chunk = TwinChunk(chance.choice(["amber", "copper"]), vector, chance.randrange(4))
            puts[name] = (self.twin.document_of(name) or f"d{number % 3}", chunk)
        self.batch(puts, set())

    @rule(name=document_ids, title=st.sampled_from(["one", "two"]), new=st.none() | st.dictionaries(chunk_ids, chunks))
    def put_document(self, name: str, title: str, new: dict[str, TwinChunk] | None) -> None:
        drafts = None if new is None else tuple(_draft(one, chunk) for one, chunk in new.items())
        draft = DocumentDraft(name, DocumentMetadata(title=title), drafts)
        expected = self.twin.put_document(name, title, new)
        self._do("put document", expected, lambda: self._instance.services.documents.put(LIBRARY, draft))

    @rule(name=document_ids)
    def delete_document(self, name: str) -> None:
        expected = self.twin.delete_document(name)
        self._do("delete document", expected, lambda: self._instance.services.documents.delete(LIBRARY, name))

    @rule(name=chunk_ids, document=document_ids, chunk=chunks, condition=conditions)
    def put_chunk(self, name: str, document: str, chunk: TwinChunk, condition: str) -> None:
        expectation = self._expectation(name, condition)
        holds = condition != "never" and (condition != "new" or name not in self.twin.chunks)
        expected = self.twin.put_chunk(document, name, chunk) if holds else None
        self._do(
            "put chunk",
            expected,
            lambda: self._instance.services.chunks.put(LIBRARY, document, _draft(name, chunk), expectation),
        )

    @rule(name=chunk_ids, page=st.integers(0, 3))
    def patch_chunk(self, name: str, page: int) -> None:
        expected = self.twin.patch_chunk(name, page)
        document = self.twin.document_of(name) or "d0"

        def edit(chunk: Any) -> ChunkDraft:
            return ChunkDraft(chunk.id, chunk.text, chunk.embedding, ChunkMetadata(page=page), chunk.position)

        self._do("patch chunk", expected, lambda: self._instance.services.chunks.patch(LIBRARY, document, name, edit))

    @rule(name=chunk_ids)
    def delete_chunk(self, name: str) -> None:
        document = self.twin.document_of(name) or "d0"
        expected = self.twin.delete_chunks([name]) if name in self.twin.chunks else None
        self._do("delete chunk", expected, lambda: self._instance.services.chunks.delete(LIBRARY, document, name))

    @rule(puts=st.dictionaries(chunk_ids, st.tuples(document_ids, chunks), min_size=1), gone=st.sets(chunk_ids))
    def batch(self, puts: dict[str, tuple[str, TwinChunk]], gone: set[str]) -> None:
        gone -= puts.keys()
        expected: Twin | None = self.twin.delete_chunks(gone)
        drafts: list[Any] = [DeleteChunkDraft(name) for name in sorted(gone)]
        for name, (document, chunk) in puts.items():
            drafts.append(PutChunkDraft(document, _draft(name, chunk)))
            expected = None if expected is None else expected.put_chunk(document, name, chunk)
        self._do("batch", expected, lambda: self._instance.services.chunks.batch(LIBRARY, drafts))

    @rule(page=st.integers(0, 3))
    def delete_where(self, page: int) -> None:
        expected = self.twin.delete_chunks([name for name, chunk in self.twin.chunks.items() if chunk.page == page])
        filter_ = parse_filter({"page": page})
        self._do(
            "delete by filter",
            expected,
            lambda: self._instance.services.chunks.delete_matching(LIBRARY, filter_, dry_run=False),
        )

    @rule(filter_=filters, query=st.tuples(*[numbers] * DIMENSION), k=st.sampled_from([1, 3, 50]), exact=st.booleans())
    def search(self, filter_: Any, query: tuple[int, ...], k: int, exact: bool) -> None:
        self.steps["search"] += 1
        self._compare(self.library.view(), self.twin, filter_, query, k, exact=exact)
        for view, twin in self._held:
            self._compare(view, twin, filter_, query, k, exact=True)

    @rule()
    def compare_all(self) -> None:
        """Everything that an export would give."""
        self.steps["compare all"] += 1
        export = self._instance.services.transfer.export(LIBRARY)
        seen = []
        for document, found in export.documents:
            seen.append(document.id)
            assert document.metadata.title == self.twin.documents[document.id]
            there = [(one.id, one.text, one.embedding, one.metadata.page) for one in found]
            assert there == [
                (name, chunk.text, _bytes(chunk.vector), chunk.page) for name, chunk in self.twin.in_order(document.id)
            ]
        assert seen == sorted(self.twin.documents)
        facts = self.library.view().library
        assert (facts.document_count, facts.chunk_count) == (len(self.twin.documents), len(self.twin.chunks))
        for view, twin in [(self.library.view(), self.twin), *self._held]:
            self._compare(view, twin, None, (0,) * DIMENSION, 2 * CHUNKS, exact=True)

    @rule()
    def hold_view(self) -> None:
        self.steps["hold view"] += 1
        self._held = [*self._held[-1:], (self.library.view(), self.twin)]

    @rule()
    def seal(self) -> None:
        self.steps["seal"] += 1
        segments.seal(self.library, segments.unwatched(lambda: False))

    @rule(choice=st.integers(0, 100), length=st.integers(1, 3))
    def merge(self, choice: int, length: int) -> None:
        self.steps["merge"] += 1
        there = len(self.library.view().segments)
        if there:
            first = choice % there
            chosen = MergeRange(first, min(first + length, there))
            segments.merge(self.library, chosen, segments.unwatched(lambda: False))

    @rule()
    def rebuild(self) -> None:
        self.steps["rebuild"] += 1
        segments.rebuild(self.library, segments.unwatched(lambda: False))

    @rule(limit=st.sampled_from([1, 5, 500]))
    def purge(self, limit: int) -> None:
        self.steps["purge"] += 1
        with self.library.exclusively():
            self.library.collection.sweep_fresh()
            self.library.store.purge(self.library.collection.horizon(), limit)
            self.library.store.repack(limit)
            self.library.store.release_pages(limit)

    @rule()
    def restart(self) -> None:
        self.steps["restart"] += 1
        self._held.clear()
        self._instance.close()
        self._instance = Instance(Settings(data=self._data))

    @rule()
    def crash(self) -> None:
        """Go on with the files as they are while the library is open; what is only in memory is gone."""
        self.steps["crash"] += 1
        self._copies += 1
        copy = self._scratch / f"data-{self._copies}"
        shutil.copytree(self._data, copy)
        self._held.clear()
        self._instance.close()
        shutil.rmtree(self._data)
        self._data = copy
        self._instance = Instance(Settings(data=copy))

    def _do(self, what: str, expected: Twin | None, write: Any) -> None:
        """Write; it must be refused where the twin knows no state after it."""
        self.steps[what] += 1
        try:
            write()
        except QuireError as error:
            assert expected is None, f"{what} was refused: {error}"
            return
        assert expected is not None, f"{what} should have been refused"
        self.twin = expected

    def _expectation(self, name: str, condition: str) -> Expectation:
        if condition == "new":
            return Expectation(absent=True)
        if condition == "never":
            return Expectation(version=10**9)
        if condition == "now" and name in self.twin.chunks:
            return Expectation(version=self._instance.services.chunks.get(LIBRARY, name).resource.version)
        return ANY_STATE

    def _compare(self, view: Any, twin: Twin, filter_: Any, query: tuple[int, ...], k: int, *, exact: bool) -> None:
        parsed = None if filter_ is None else parse_filter(filter_)
        ranking = self.library.search(view, Nearest(np.array(query, np.float32), k, exact=exact), parsed)
        chunks = self.library.store.chunks_by_row(ranking.found.rows)
        found = [
            (distance, chunks[row].id)
            for distance, row in zip(ranking.found.distances, ranking.found.rows, strict=True)
        ]
        # So few rows are scanned, or walked whole, however an index is asked: every answer is exact.
        assert found == twin.nearest(query, filter_)[:k], filter_


def _draft(name: str, chunk: TwinChunk) -> ChunkDraft:
    return ChunkDraft(name, chunk.text, _bytes(chunk.vector), ChunkMetadata(page=chunk.page))


def _bytes(vector: tuple[int, ...]) -> bytes:
    return np.array(vector, "<f4").tobytes()
