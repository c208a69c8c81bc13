"""What the store does when the disk does not do its part."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from quiredb.domain.commands import CreateLibrary
from quiredb.domain.errors import DataDamaged, StorageFailed, StorageFull
from quiredb.storage import database
from quiredb.storage.library_store import LibraryStore
from tests.unit.storage.building import batch, create_command, fill, put, write


class FailingDisk(apsw.VFS):
    """The checksum VFS over a disk whose flushes of write-ahead logs fail while `failing`."""

    def __init__(self) -> None:
        self.failing = False
        super().__init__("failing", "cksmvfs")

    def xOpen(self, name: Any, flags: Any) -> FailingFile:  # noqa: N802 (SQLite's name)
        return FailingFile(self, name, flags)


class FailingFile(apsw.VFSFile):
    def __init__(self, disk: FailingDisk, name: Any, flags: Any) -> None:
        self._disk = disk
        self._is_log = bool(flags[0] & apsw.SQLITE_OPEN_WAL)
        super().__init__("cksmvfs", name, flags)

    def xSync(self, flags: int) -> None:  # noqa: N802 (SQLite's name)
        if self._disk.failing and self._is_log:
            error = apsw.IOError("planted")
            error.extendedresult = apsw.SQLITE_IOERR_FSYNC  # type: ignore[attr-defined]
            raise error
        super().xSync(flags)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[FailingDisk]:
    disk = FailingDisk()
    monkeypatch.setattr(database, "VFS_NAME", "failing")
    yield disk
    disk.unregister()


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


def test_after_a_failed_flush_nothing_more_is_acknowledged(disk: FailingDisk, tmp_path: Path) -> None:
    store = LibraryStore.create(tmp_path / "library", create_command())
    write(store, put("a"))
    before = store.library()
    disk.failing = True
    with pytest.raises(StorageFailed):
        store.write([batch(put("b"))])
    disk.failing = False
    with pytest.raises(StorageFailed, match="restart"):
        store.write([batch(put("c"))])
    assert store.library() == before
    assert store.chunk("a", 1) is not None
    assert store.chunk("b", 2) is None
    store.close()
    reopened = LibraryStore.open(tmp_path / "library")
    assert reopened.chunk("a", 1) is not None
    write(reopened, put("d"))
    reopened.close()


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
