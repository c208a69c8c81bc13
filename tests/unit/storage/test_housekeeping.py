from __future__ import annotations

from pathlib import Path

import pytest

from quiredb.domain.commands import DeleteChunk, DeleteDocument
from quiredb.storage import housekeeping
from quiredb.storage.library_store import LibraryStore
from tests.unit.storage.building import create_command, fill, in_slices, put, write


def give_back(store: LibraryStore) -> None:
    while store.purge(store.library().position, 1_000):
        pass
    while store.repack(1_000):
        pass
    while store.release_pages(500):
        pass


def test_deleting_every_second_chunk_gives_back_nearly_half_of_the_disk(tmp_path: Path) -> None:
    store = LibraryStore.create(tmp_path / "library", create_command(dimension=384))
    ids = fill(store, 10_000, dimension=384)
    store.checkpoint()
    before = store.disk_bytes()
    for slice_ in in_slices(ids[::2]):
        write(store, *(DeleteChunk(chunk_id) for chunk_id in slice_))
    position = store.library().position
    digest = store.digest(position)
    rows = [row.row for rows in store.live_chunk_rows(0, None, position) for row in rows]
    give_back(store)
    assert store.disk_bytes() <= before * 0.55
    assert store.free_bytes() == 0
    assert store.digest(position) == digest
    assert [row.row for rows in store.live_chunk_rows(0, None, position) for row in rows] == rows
    assert not store.has_dead_versions()
    store.close()


def test_nothing_is_rewritten_where_little_was_purged(store: LibraryStore) -> None:
    ids = fill(store, 3_000)
    write(store, *(DeleteChunk(chunk_id) for chunk_id in ids[1::10]))
    store.purge(store.library().position, 10_000)
    store.checkpoint()
    assert not store.repack(1_000)
    assert store.disk_bytes() == (store.segment_path("x").parents[1] / "library.sqlite").stat().st_size


def test_a_version_is_purged_only_when_the_horizon_reached_its_death(store: LibraryStore) -> None:
    write(store, put("a", text="first"))
    write(store, put("a", text="second"))
    write(store, DeleteDocument("d"))
    assert store.purge(1, 10) == 0
    assert store.purge(2, 10) == 2
    found = store.chunk("a", 2)
    assert found is not None
    assert found.text == "second"
    assert store.chunks_by_row([1, 2]).keys() == {2}
    assert store.purge(3, 1) == 1
    assert store.purge(3, 10) == 1
    assert store.purge(3, 10) == 0


def test_row_numbers_are_never_given_out_twice(store: LibraryStore, tmp_path: Path) -> None:
    write(store, put("a"), put("b"))
    write(store, DeleteDocument("d"))
    give_back(store)
    store.close()
    reopened = LibraryStore.open(tmp_path / "library")
    write(reopened, put("c"))
    assert [row.row for rows in reopened.live_chunk_rows(0, None, 3) for row in rows] == [3]
    assert [(row.row, row.key) for rows in reopened.live_document_rows(3) for row in rows] == [(2, 2)]
    assert reopened.dead_rows() == []
    reopened.close()


def test_more_empty_slices_than_one_call_takes_are_worked_off(
    store: LibraryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "SLICE_ROWS", 2)
    write(store, *(DeleteChunk(chunk_id) for chunk_id in fill(store, 1_000)))
    store.purge(2, 1_000)
    assert [store.repack(1) for _ in range(2)] == [True, False]


def test_slices_that_lost_everything_are_forgotten(store: LibraryStore) -> None:
    ids = fill(store, 2_500)
    for slice_ in in_slices(ids):
        write(store, *(DeleteChunk(chunk_id) for chunk_id in slice_))
    give_back(store)
    assert store.disk_bytes() < 60 * 16_384
    assert store.library().chunk_count == 0
    assert not store.repack(1)
