"""Random histories: the store must agree with the dictionary model at every position, now and then."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quiredb.domain.changes import ChunkRow, DocumentRow
from quiredb.domain.commands import (
    DeleteChunk,
    DeleteDocument,
    DeleteUnchanged,
    Expectation,
    NewChunk,
    PutChunk,
    PutDocument,
    WriteBatch,
)
from quiredb.domain.errors import QuireError
from quiredb.domain.metadata import ChunkMetadata, DocumentMetadata
from quiredb.storage import housekeeping
from quiredb.storage.library_store import LibraryStore
from tests.unit.storage.building import create_command, done, embedding, instant
from tests.unit.storage.model import Model

chunk_ids = st.sampled_from(["c1", "c2", "c3", "c4", "c5"])
document_ids = st.sampled_from(["a", "b", "c"])
positions = st.none() | st.integers(0, 3)
expectations = st.one_of(
    st.just(Expectation()),
    st.just(Expectation()),
    st.just(Expectation(absent=True)),
    st.builds(Expectation, version=st.integers(0, 6)),
)
attributes = st.dictionaries(
    st.sampled_from(["year", "mark"]),
    st.one_of(st.integers(-5, 5), st.booleans(), st.sampled_from(["x", "2026-01-01T00:00:00Z"]), st.just(("p", "q"))),
    max_size=2,
)
chunk_metadata = st.builds(
    ChunkMetadata, name=st.none() | st.text(max_size=3), tags=st.sampled_from([(), ("t",)]), attributes=attributes
)
document_metadata = st.builds(
    DocumentMetadata,
    title=st.none() | st.just("title"),
    published_at=st.none() | st.builds(instant, st.integers(-(10**9), 10**9)),
    attributes=attributes,
)
new_chunks = st.builds(
    NewChunk,
    chunk_ids,
    st.text(max_size=5),
    st.builds(embedding, st.integers(0, 9)),
    chunk_metadata,
    positions,
)
operations = st.one_of(
    st.builds(PutDocument, document_ids, document_metadata, st.none(), expectations),
    st.builds(PutDocument, document_ids, document_metadata, st.lists(new_chunks, max_size=4).map(tuple), expectations),
    st.builds(DeleteDocument, document_ids, expectations),
    st.builds(PutChunk, document_ids, new_chunks, expectations, st.booleans()),
    st.builds(PutChunk, document_ids, new_chunks, st.just(Expectation()), st.just(True)),
    st.builds(DeleteChunk, chunk_ids, st.none() | document_ids, expectations, st.booleans()),
    st.builds(DeleteUnchanged, st.lists(st.tuples(chunk_ids, st.integers(1, 6)), max_size=4).map(tuple)),
)
histories = st.lists(
    st.lists(st.lists(operations, min_size=1, max_size=5).map(tuple), min_size=1, max_size=3), min_size=1, max_size=5
)


class Alive:
    """The rows that the stream of changes says are alive."""

    def __init__(self) -> None:
        self.chunks: dict[int, ChunkRow] = {}
        self.documents: dict[int, DocumentRow] = {}


def assert_state(store: LibraryStore, model: Model) -> None:
    """Everything readable at the model's position is what the model holds."""
    at = model.position
    assert store.documents(at, None, 100) == [model.documents[name] for name in sorted(model.documents)]
    for name in ("a", "b", "c"):
        assert store.document(name, at) == model.documents.get(name)
        paged = []
        after = None
        while page := store.document_chunks(name, at, after, 2, with_embedding=True):
            paged += page
            after = (page[-1].position, page[-1].id)
        assert paged == model.chunks_of(name)
    for name in ("c1", "c2", "c3", "c4", "c5"):
        assert store.chunk(name, at, with_embedding=True) == model.chunks.get(name)


def assert_rows(store: LibraryStore, alive: Alive) -> None:
    """Loading everything gives the rows that the changes told of."""
    at = store.library().position
    assert [row for rows in store.live_chunk_rows(0, None, at) for row in rows] == [
        alive.chunks[row] for row in sorted(alive.chunks)
    ]
    assert [row for rows in store.live_document_rows(at) for row in rows] == [
        alive.documents[row] for row in sorted(alive.documents)
    ]
    hits = store.chunks_by_row(list(alive.chunks), with_embedding=True)
    assert hits == {row: found.chunk for row, found in alive.chunks.items()}
    by_key = store.documents_by_key([found.document_key for found in alive.chunks.values()], at)
    assert {chunk.document_id for chunk in hits.values()} == {document.id for document in by_key.values()}


@settings(max_examples=60)
@given(histories)
def test_any_history_gives_what_the_model_gives(history: list[list[tuple[object, ...]]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = LibraryStore.create(Path(folder) / "library", create_command())
        past = [Model()]
        alive = Alive()
        minute = 0
        for group in history:
            batches = []
            for operations_ in group:
                minute += 1
                batches.append(WriteBatch(operations_, instant(minute)))  # type: ignore[arg-type]
            for one, result in zip(batches, store.write(batches), strict=True):
                after, wanted = past[-1].after(one)
                if isinstance(wanted, list):
                    applied = done(result)
                    assert list(applied.receipt.outcomes) == wanted
                    change = applied.change
                    assert change is not None
                    assert change.position == applied.receipt.position == after.position
                    for row in change.chunks_died:
                        del alive.chunks[row]
                    for row in change.documents_died:
                        del alive.documents[row]
                    alive.chunks.update({born.row: born for born in change.chunks_born})
                    alive.documents.update({born.row: born for born in change.documents_born})
                    past.append(after)
                else:
                    assert isinstance(result, QuireError)
                    assert type(result) is wanted
            library = store.library()
            assert (library.position, library.document_count, library.chunk_count) == (
                past[-1].position,
                len(past[-1].documents),
                len(past[-1].chunks),
            )
        for model in past:
            assert_state(store, model)
        assert_rows(store, alive)
        before = store.library(), store.attribute_kinds(), store.digest(past[-1].position)
        store.close()
        store = LibraryStore.open(Path(folder) / "library")
        assert (store.library(), store.attribute_kinds(), store.digest(past[-1].position)) == before
        horizon = len(past) // 2
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(housekeeping, "SLICE_ROWS", 2)
            while store.purge(horizon, 3):
                pass
            while store.repack(1):
                pass
        for model in past[horizon:]:
            assert_state(store, model)
        assert_rows(store, alive)
        assert store.digest(past[-1].position) == before[2]
        store.close()
