from __future__ import annotations

from pathlib import Path

import pytest

from quiredb.domain.commands import DeleteChunk
from quiredb.storage.library_store import LibraryStore, SegmentRecord
from tests.unit.storage.building import put, write


def record(name: str, low: int, high: int, position: int) -> SegmentRecord:
    return SegmentRecord(name, low, high, position, high - low, "flat", 64)


def test_swapping_replaces_the_list_and_drops_known_graves(store: LibraryStore, tmp_path: Path) -> None:
    write(store, *(put(f"c{number}") for number in range(6)))
    write(store, DeleteChunk("c0"), DeleteChunk("c4"))
    write(store, DeleteChunk("c1"))
    assert store.sealed_row() == 0
    assert store.dead_rows() == [(1, 2), (2, 3), (5, 2)]
    store.swap_segments([], [record("one", 0, 3, 2)])
    assert store.dead_rows() == [(2, 3), (5, 2)]
    store.swap_segments([], [record("two", 3, 6, 3)])
    assert store.dead_rows() == [(2, 3)]
    assert [one.name for one in store.segments()] == ["one", "two"]
    store.swap_segments(["one", "two"], [record("both", 0, 6, 3)])
    assert store.dead_rows() == []
    assert store.segments() == [record("both", 0, 6, 3)]
    store.close()
    reopened = LibraryStore.open(tmp_path / "library")
    assert reopened.segments() == [record("both", 0, 6, 3)]
    assert reopened.sealed_row() == 6
    reopened.close()


def test_segments_that_share_rows_are_refused_whole(store: LibraryStore) -> None:
    store.swap_segments([], [record("one", 0, 3, 0)])
    with pytest.raises(ValueError, match="share rows"):
        store.swap_segments([], [record("two", 2, 6, 0)])
    assert store.segments() == [record("one", 0, 3, 0)]


def test_graves_of_sealed_rows_stay_when_rows_are_purged(store: LibraryStore) -> None:
    write(store, put("a"), put("b"))
    store.swap_segments([], [record("one", 0, 2, 1)])
    write(store, DeleteChunk("a"))
    assert store.has_dead_versions()
    while store.purge(2, 10):
        pass
    assert not store.has_dead_versions()
    assert store.dead_rows() == [(1, 2)]


def test_graves_of_rows_in_no_segment_go_once_no_view_sees_them(store: LibraryStore) -> None:
    """A chunk written all the time leaves no trace; a segment in the making holds a view, and so the horizon."""
    write(store, put("a"), put("b"))
    write(store, put("a"))
    write(store, DeleteChunk("b"))
    store.purge(2, 10)
    assert store.dead_rows() == [(2, 3)]
    store.purge(3, 10)
    assert store.dead_rows() == []


def test_unlisted_files_are_removed_and_listed_ones_stay(store: LibraryStore) -> None:
    for name in ("kept", "replaced", "unfinished.tmp"):
        store.segment_path(name).write_bytes(b"x")
    store.swap_segments([], [record("kept", 0, 3, 0)])
    store.discard_segments(["kept", "replaced", "gone already"])
    assert store.segment_path("kept").exists()
    assert not store.segment_path("replaced").exists()
    assert store.remove_unlisted_segments() == ["unfinished.tmp"]
    assert store.remove_unlisted_segments() == []
