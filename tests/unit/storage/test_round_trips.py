from __future__ import annotations

from pathlib import Path

from quiredb.domain.commands import NewChunk, PutChunk, PutDocument
from quiredb.domain.filter_fields import Field, Scope
from quiredb.domain.metadata import ChunkMetadata, DocumentMetadata, Kind
from quiredb.storage.library_store import LibraryStore
from tests.unit.storage.building import batch, done, embedding, instant, put, write


def test_every_text_comes_back_as_it_went_in(store: LibraryStore) -> None:
    texts = ["", "\0 in \0 it", "ß漢字🙂", "a" * 70_000, "line\r\nline"]
    write(store, *(put(f"c{index}", text=text) for index, text in enumerate(texts)))
    found = store.document_chunks("d", 1, None, 10)
    assert [chunk.text for chunk in found] == texts
    assert [text for _, text in store.texts([1, 2, 3, 4, 5])] == texts


def test_texts_follow_the_order_of_the_rows_asked_for_over_many_slices(store: LibraryStore) -> None:
    write(store, *(put(f"c{number}", text=f"text {number + 1}") for number in range(1_200)))
    rows = [row for row in range(1_200, 0, -1) if row % 7]
    assert list(store.texts(rows)) == [(row, f"text {row}") for row in rows]


def test_versions_follow_the_order_of_the_rows_asked_for_over_many_slices(store: LibraryStore) -> None:
    write(store, *(put(f"c{number}") for number in range(6_000)))
    write(store, put("c7"))
    rows = [row for row in range(6_001, 0, -1) if row % 7]
    expected = [("c7", 2) if row == 6_001 else (f"c{row - 1}", 1) for row in rows]
    assert list(store.versions(rows)) == expected


def test_metadata_comes_back_as_it_went_in(store: LibraryStore) -> None:
    chunk = ChunkMetadata("n", "s", 3, "de", ("t",), {"i": -(2**53), "f": 0.1, "b": False, "l": ("a", "b"), "e": ()})
    document = DocumentMetadata("t", "s", "a", "en", instant(-(10**9)), (), {"on": "2026-01-01T00:00:00Z"})
    write(
        store,
        PutDocument("d", document, (NewChunk("c", "text", embedding(), chunk),)),
    )
    (read,) = store.document_chunks("d", 1, None, 1)
    assert read.metadata == chunk
    assert type(read.metadata.attributes["b"]) is bool
    stored = store.document("d", 1)
    assert stored is not None
    assert stored.metadata == document


def test_the_kinds_of_attributes_are_remembered_for_ever(store: LibraryStore, tmp_path: Path) -> None:
    year, on = Field(Scope.CHUNK, "attributes.year"), Field(Scope.DOCUMENT, "attributes.on")
    first = PutChunk(
        "d", NewChunk("c", "", embedding(), ChunkMetadata(attributes={"year": 1, "no": ()})), create_document=True
    )
    second = PutChunk("d", NewChunk("c", "", embedding(), ChunkMetadata(attributes={"year": "x"})))
    about = PutDocument("d", DocumentMetadata(attributes={"on": "2026-01-01T00:00:00Z"}))
    changes = [done(result).change for result in store.write([batch(first), batch(first), batch(second, about)])]
    assert [change and change.attribute_kinds for change in changes] == [
        ((year, Kind.NUMBER),),
        (),
        ((year, Kind.STRING), (on, Kind.DATETIME)),
    ]
    store.close()
    reopened = LibraryStore.open(tmp_path / "library")
    assert reopened.attribute_kinds() == {year: {Kind.NUMBER, Kind.STRING}, on: {Kind.DATETIME}}
    reopened.close()
