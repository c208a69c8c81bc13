from __future__ import annotations

from pathlib import Path

import pytest

from quiredb.domain.commands import (
    ConfigureLibrary,
    DeleteChunk,
    DeleteDocument,
    DeleteUnchanged,
    Expectation,
    NewChunk,
    PutChunk,
    PutDocument,
)
from quiredb.domain.errors import (
    Conflict,
    NotFound,
    PreconditionFailed,
    Unavailable,
    ValidationFailed,
)
from quiredb.domain.library import IndexSpec
from quiredb.domain.limits import CHUNK_POSITION_MAX
from quiredb.domain.metadata import ChunkMetadata, DocumentMetadata, LibraryMetadata
from quiredb.storage import commands
from quiredb.storage.library_store import LibraryStore
from tests.unit.storage.building import (
    batch,
    create_command,
    done,
    fill,
    instant,
    new_chunk,
    put,
    refusal,
    write,
)

EMPTY = DocumentMetadata()


def ids(store: LibraryStore, document_id: str = "d") -> list[str]:
    return [chunk.id for chunk in store.document_chunks(document_id, store.library().position, None, 100)]


def test_a_new_library_is_what_was_asked_for(store: LibraryStore, tmp_path: Path) -> None:
    command = create_command()
    library = store.library()
    assert (library.id, library.dimension, library.metric, library.index) == (
        command.id,
        command.dimension,
        command.metric,
        command.index,
    )
    assert (library.embedder, library.metadata, library.position, library.version) == (
        command.embedder,
        command.metadata,
        0,
        0,
    )
    store.close()
    reopened = LibraryStore.open(tmp_path / "library")
    assert reopened.library() == library
    reopened.close()


def test_a_refused_command_takes_no_position_and_stops_nobody(store: LibraryStore) -> None:
    results = store.write([batch(put("a")), batch(put("b"), DeleteChunk("missing")), batch(put("c"))])
    assert done(results[0]).receipt.position == 1
    assert isinstance(results[1], NotFound)
    assert done(results[2]).receipt.position == 2
    assert ids(store) == ["a", "c"]


def test_an_older_position_still_shows_what_it_showed(store: LibraryStore) -> None:
    write(store, put("a", text="first"), put("b"))
    write(store, put("a", text="second"))
    write(store, DeleteDocument("d"))
    write(store, put("b", "other"))
    texts = [chunk and chunk.text for chunk in (store.chunk("a", position) for position in range(5))]
    assert texts == [None, "first", "second", None, None]
    owners = [chunk and chunk.document_id for chunk in (store.chunk("b", position) for position in range(5))]
    assert owners == [None, "d", "d", None, "other"]
    assert [document.id for document in store.documents(2, None, 9)] == ["d"]
    assert store.document_chunks("d", 3, None, 9) == []


def test_chunks_of_a_document_page_by_position_then_id(store: LibraryStore) -> None:
    write(store, put("z", position=1), put("b", position=1), put("a", position=1), put("m", position=0), put("n"))
    assert ids(store) == ["m", "a", "b", "z", "n"]
    page = store.document_chunks("d", 1, (1, "a"), 2)
    assert [chunk.id for chunk in page] == ["b", "z"]


def test_a_chunk_without_position_goes_last_or_stays(store: LibraryStore) -> None:
    write(store, put("a", position=7), put("b"), put("c", position=2))
    write(store, put("b", text="again"), put("d"))
    write(store, DeleteChunk("d"), DeleteChunk("b"), put("e"))
    chunks = store.document_chunks("d", 3, None, 9)
    assert [(chunk.id, chunk.position) for chunk in chunks] == [("c", 2), ("a", 7), ("e", 8)]


def test_replacing_a_document_orders_its_chunks_by_the_list(store: LibraryStore) -> None:
    write(store, put("a"), put("b"), put("gone"), minute=1)
    receipt = write(
        store, PutDocument("d", EMPTY, (new_chunk("b"), new_chunk("new", position=5), new_chunk("a"))), minute=2
    )
    assert receipt.outcomes[0].removed == 1
    chunks = store.document_chunks("d", 2, None, 9)
    assert [(chunk.id, chunk.position) for chunk in chunks] == [("b", 0), ("new", 5), ("a", 6)]
    assert [chunk.created_at for chunk in chunks] == [instant(1), instant(2), instant(1)]
    assert {chunk.updated_at for chunk in chunks} == {instant(2)}


def test_a_chunk_touches_its_document_once_for_each_command(store: LibraryStore) -> None:
    write(store, put("a"), put("b"), minute=1)
    change = done(store.write([batch(put("a"), put("c"), DeleteChunk("b"), minute=2)])[0]).change
    assert change is not None
    (born,) = change.documents_born
    assert (born.document.version, born.document.chunk_count) == (2, 2)
    assert (born.document.created_at, born.document.updated_at) == (instant(1), instant(2))
    assert len(change.documents_died) == 1


def test_operations_of_one_batch_see_each_other(store: LibraryStore) -> None:
    write(store, put("a"), put("b"), put("c"))
    receipt = write(store, put("d"), DeleteChunk("d"), put("e"), DeleteChunk("a"), put("b"), DeleteDocument("d"))
    assert receipt.outcomes[-1].removed == 3
    assert (receipt.library.document_count, receipt.library.chunk_count) == (0, 0)
    receipt = write(store, put("a"), put("b"), DeleteChunk("b"), put("c"), DeleteDocument("d"), put("c", "new"))
    assert (receipt.library.document_count, receipt.library.chunk_count) == (1, 1)
    assert ids(store, "new") == ["c"]


def test_the_place_of_a_chunk_deleted_in_the_same_batch_is_free(store: LibraryStore) -> None:
    write(store, put("a"), put("b"))
    write(store, put("c"), DeleteChunk("c"), DeleteChunk("b"), put("d"), put("a", position=9), put("e"))
    chunks = store.document_chunks("d", 2, None, 9)
    assert [(chunk.id, chunk.position) for chunk in chunks] == [("d", 1), ("a", 9), ("e", 10)]


def test_an_older_position_can_be_loaded_whole(store: LibraryStore) -> None:
    write(store, put("a"), put("b"))
    write(store, put("a"), DeleteChunk("b"), put("c", "other"))
    chunks = [[row.row for rows in store.live_chunk_rows(0, None, at) for row in rows] for at in (0, 1, 2)]
    assert chunks == [[], [1, 2], [3, 4]]
    documents = [[row.document.id for rows in store.live_document_rows(at) for row in rows] for at in (0, 1, 2)]
    assert documents == [[], ["d"], ["d", "other"]]


def test_refusals_say_what_is_in_the_way(store: LibraryStore) -> None:
    write(store, put("a", "one"))
    conflict = refusal(store, put("a", "two"))
    assert isinstance(conflict, Conflict)
    assert "'one'" in conflict.detail
    assert isinstance(refusal(store, PutDocument("two", EMPTY, (new_chunk("a"),))), Conflict)
    double = refusal(store, PutDocument("x", EMPTY, (new_chunk("p"), new_chunk("q"), new_chunk("p"))))
    assert isinstance(double, ValidationFailed)
    assert double.violations[0].pointer == "/chunks/2/id"
    short = refusal(store, PutDocument("x", EMPTY, (new_chunk("p"), NewChunk("q", "", b"1234", ChunkMetadata()))))
    assert isinstance(short, ValidationFailed)
    assert short.violations[0].pointer == "/chunks/1/embedding"
    assert isinstance(refusal(store, PutChunk("missing", new_chunk("x"))), NotFound)
    assert isinstance(refusal(store, DeleteChunk("a", "two")), NotFound)
    assert isinstance(refusal(store, DeleteDocument("missing")), NotFound)


def test_preconditions_are_judged_when_the_command_is_applied(store: LibraryStore) -> None:
    write(store, put("a"))
    write(store, put("a"))
    assert isinstance(refusal(store, put("a", expected=Expectation(version=1))), PreconditionFailed)
    assert isinstance(refusal(store, put("a", expected=Expectation(absent=True))), PreconditionFailed)
    assert isinstance(refusal(store, put("new", expected=Expectation(version=1))), PreconditionFailed)
    assert isinstance(refusal(store, DeleteDocument("d", Expectation(version=1))), PreconditionFailed)
    assert isinstance(refusal(store, DeleteChunk("x", None, Expectation(version=1), True)), PreconditionFailed)
    write(store, put("a", expected=Expectation(version=2)), DeleteChunk("a", None, Expectation(version=3)))
    write(store, DeleteDocument("d", Expectation(version=3)))


def test_deleting_by_filter_leaves_chunks_that_changed_meanwhile(store: LibraryStore) -> None:
    write(store, put("a"), put("b"))
    write(store, put("b"))
    receipt = write(store, DeleteUnchanged((("a", 1), ("b", 1), ("missing", 1))))
    assert receipt.outcomes[0].removed == 1
    assert ids(store) == ["b"]


def test_limits_of_a_document_are_kept(store: LibraryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "CHUNKS_PER_DOCUMENT_MAX", 3)
    write(store, put("a"), put("b"), put("c"))
    assert isinstance(refusal(store, put("d")), Conflict)
    four = tuple(new_chunk(chunk_id) for chunk_id in "xabc")
    assert isinstance(refusal(store, PutDocument("d", EMPTY, four)), Conflict)
    write(store, put("a"), DeleteChunk("b"), put("last", position=CHUNK_POSITION_MAX))
    write(store, DeleteChunk("c"))
    assert isinstance(refusal(store, put("after-the-last")), Conflict)


def test_configuring_a_library_makes_a_version_of_it(store: LibraryStore) -> None:
    write(store, put("a"))
    configure = ConfigureLibrary(LibraryMetadata("New"), IndexSpec(), None, instant(9), Expectation(version=0))
    results = store.write([configure, configure])
    library = done(results[0]).receipt.library
    assert (library.position, library.version, library.updated_at) == (2, 2, instant(9))
    assert (library.metadata, library.embedder, library.chunk_count) == (LibraryMetadata("New"), None, 1)
    assert isinstance(results[1], PreconditionFailed)


def test_the_same_commands_give_the_same_digest_whatever_the_grouping(store: LibraryStore, tmp_path: Path) -> None:
    history = [
        batch(put("a"), put("b", "other", text="x")),
        batch(DeleteChunk("missing")),
        batch(put("a", text="again")),
        batch(PutDocument("d", DocumentMetadata(attributes={"x": 1, "y": 2}))),
    ]
    store.write(history)
    twin = LibraryStore.create(tmp_path / "twin", create_command())
    for command in history:
        twin.write([command])
    assert twin.digest(3) == store.digest(3)
    assert twin.digest(2) == store.digest(2) != store.digest(3)
    twin.write([batch(put("a", text="different"))])
    assert twin.digest(4) != store.digest(3)
    twin.close()


def test_opening_takes_milliseconds_and_reads_no_rows(store: LibraryStore, tmp_path: Path) -> None:
    fill(store, 3_000)
    store.close()
    reopened = LibraryStore.open(tmp_path / "library")
    assert reopened.library().chunk_count == 3_000
    batches = list(reopened.live_chunk_rows(100, 2_900, 3))
    assert [len(rows) for rows in batches] == [2_000, 800]
    assert [row.row for rows in batches for row in rows] == list(range(101, 2_901))
    reopened.close()


def test_a_closed_store_says_so(store: LibraryStore) -> None:
    store.close()
    with pytest.raises(Unavailable):
        store.chunk("a", 0)
