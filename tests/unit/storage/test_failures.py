"""What the store does when the disk does not do its part."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from quiredb.domain.commands import CreateLibrary
from quiredb.domain.errors import DataDamaged, StorageFailed, StorageFull, WritesStopped
from quiredb.storage import database
from quiredb.storage.check_library import check_library
from quiredb.storage.library_store import LibraryStore
from tests.unit.storage.building import batch, create_command, fill, put, write
from tests.unit.storage.failing_disk import FailingDisk


def full_after(store: LibraryStore, pages: int) -> None:
    """Let the file grow by so many pages and no more; a negative number takes the limit away."""
    with store._writer.plain() as connection:
        now = connection.pragma("page_count")
        connection.pragma("max_page_count", now + pages if pages >= 0 else 0xFFFFFFFE)


def test_a_full_disk_refuses_the_whole_group_and_heals_without_a_restart(store: LibraryStore) -> None:
    write(store, put("a"))
    before, digest = store.library(), store.digest(1)
    full_after(store, 3)
    for size in (1, 5, 50):
        with pytest.raises(StorageFull):
            store.write([batch(put("small")), batch(*(put(f"{size}-{n}", text="x" * 9_000) for n in range(size * 10)))])
    assert store.library() == before
    assert store.digest(1) == store.digest(2) == digest
    assert store.chunk("small", 9) is None
    full_after(store, -1)
    assert write(store, put("b")).position == 2
    assert store.library().chunk_count == 2


def test_after_a_failed_flush_nothing_is_written_or_flushed_any_more(disk: FailingDisk, tmp_path: Path) -> None:
    store = LibraryStore.create(tmp_path / "library", create_command())
    write(store, put("a"))
    before = store.library()
    disk.fail_flush_after = disk.flushes
    with pytest.raises(WritesStopped):
        store.write([batch(put("b"))])
    disk.fail_flush_after, disk.flushes = None, 0
    with pytest.raises(WritesStopped, match="restart"):
        store.write([batch(put("c"))])
    with pytest.raises(WritesStopped):
        store.checkpoint()
    assert store.writes_stopped is not None
    assert store.library() == before
    assert store.chunk("a", 1) is not None
    assert store.chunk("b", 2) is None
    store.close()
    assert disk.flushes == 0
    reopened = LibraryStore.open(tmp_path / "library")
    assert disk.flushes > 0, "what the cache holds of the log is brought to the disk before it is built upon"
    assert reopened.chunk("a", 1) is not None
    write(reopened, put("d"))
    reopened.close()


@pytest.mark.parametrize("flush", ["of the log", "of the file"])
def test_a_failed_flush_while_the_log_is_merged_stops_writes_and_loses_nothing(
    disk: FailingDisk, tmp_path: Path, flush: str
) -> None:
    store = LibraryStore.create(tmp_path / "library", create_command())
    write(store, put("first"))
    disk.fail_flush_after = disk.flushes + (1 if flush == "of the log" else 2)
    write(store, put("a", text="long " * 4_000_000))
    assert store.writes_stopped is not None
    assert store.chunk("a", 2) is not None
    disk.fail_flush_after, disk.flushes = None, 0
    with pytest.raises(WritesStopped):
        store.write([batch(put("b"))])
    store.close()
    assert disk.flushes == 0
    reopened = LibraryStore.open(tmp_path / "library")
    assert reopened.chunk("a", 2) is not None
    assert reopened.library().position == 2
    reopened.close()


def test_a_failed_write_is_refused_and_the_next_one_may_succeed(disk: FailingDisk, tmp_path: Path) -> None:
    store = LibraryStore.create(tmp_path / "library", create_command())
    disk.fail_after(0)
    with pytest.raises(StorageFailed):
        store.write([batch(put("a"))])
    assert disk.heal()
    assert write(store, put("b")).position == 1
    store.close()


def work(store: LibraryStore) -> dict[int, str]:
    """Writes, purging and packing; the digests of what was acknowledged before the disk failed."""
    acknowledged = {1: store.digest(1)}
    try:
        for number in range(2):
            position = write(store, put("a", text=f"{number}" * 9_000), put(f"b{number}")).position
            acknowledged[position] = store.digest(position)
            store.checkpoint()
        store.purge(store.library().position, 10)
        store.release_pages(10)
    except StorageFailed:
        pass
    return acknowledged


@pytest.mark.parametrize("full", [False, True])
def test_whichever_call_to_the_disk_fails_commits_stay_whole(disk: FailingDisk, tmp_path: Path, full: bool) -> None:
    """The disk is sound again when the library is closed and opened, as after a restart."""
    original = tmp_path / "original"
    store = LibraryStore.create(original, create_command())
    write(store, put("a", text="first" * 3_000))
    store.close()
    shutil.copytree(original, tmp_path / "twin")
    twin = LibraryStore.open(tmp_path / "twin")
    digests = work(twin)
    twin.close()
    calls, failed = 0, True
    while failed:
        folder = tmp_path / f"{calls}"
        shutil.copytree(original, folder)
        store = LibraryStore.open(folder)
        disk.fail_after(calls, full=full)
        last = max(work(store))
        assert store.library().position == last
        failed = disk.heal()
        store.close()
        assert list(check_library(folder, "library")) == []
        reopened = LibraryStore.open(folder)
        position = reopened.library().position
        assert position in {last, last + 1}
        assert reopened.digest(position) == digests[position]
        reopened.close()
        calls += 1
    assert calls > 20


def damaged_reads(folder: Path, command: CreateLibrary) -> int:
    """Flip 40 bits, one at a time; counts the flips that were noticed. No flip may change what is read."""
    store = LibraryStore.create(folder, command)
    fill(store, 400)
    digest, library = store.digest(1), store.library()
    store.close()
    path = folder / "library.sqlite"
    sound = path.read_bytes()
    chance = random.Random(7)
    noticed = 0
    for _ in range(40):
        damaged = bytearray(sound)
        place = chance.randrange(len(damaged))
        damaged[place] ^= 1 << chance.randrange(8)
        path.write_bytes(damaged)
        try:
            reopened = LibraryStore.open(folder)
        except StorageFailed:
            noticed += 1
            continue
        try:
            assert (reopened.digest(1), reopened.library()) == (digest, library)
        except DataDamaged:
            noticed += 1
        finally:
            reopened.close()
        path.write_bytes(sound)
    return noticed


def test_a_flipped_bit_is_never_read_as_data(tmp_path: Path) -> None:
    assert damaged_reads(tmp_path / "library", create_command()) >= 20


def test_a_database_that_ends_within_a_page_is_damaged(tmp_path: Path) -> None:
    """SQLite would read what is missing as zeros, and no checksum is over a part of a page."""
    folder = tmp_path / "library"
    store = LibraryStore.create(folder, create_command())
    write(store, batch(*[put(f"c{number}") for number in range(200)]))
    digest = store.digest(1)
    store.close()
    path = folder / "library.sqlite"
    sound = path.read_bytes()
    for missing in (1, 8, 9, 100, database.PAGE_BYTES // 2, database.PAGE_BYTES - 1):
        path.write_bytes(sound[:-missing])
        with pytest.raises(DataDamaged, match="ends within a page"):
            LibraryStore.open(folder)
    path.write_bytes(sound)
    reopened = LibraryStore.open(folder)
    assert reopened.digest(1) == digest
    reopened.close()


def test_a_missing_or_emptied_database_is_named(tmp_path: Path) -> None:
    LibraryStore.create(tmp_path / "library", create_command()).close()
    path = tmp_path / "library" / "library.sqlite"
    path.write_bytes(b"")
    with pytest.raises(DataDamaged, match=r"library\.sqlite"):
        LibraryStore.open(tmp_path / "library")
    path.unlink()
    with pytest.raises(DataDamaged, match="missing"):
        LibraryStore.open(tmp_path / "library")
    assert not path.exists()
