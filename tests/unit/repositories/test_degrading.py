"""A disk that fails or a file that proves damaged takes as little with it as can be."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from quiredb.domain.commands import Expectation
from quiredb.domain.errors import DataDamaged, NotFound, StorageFailed, StorageFull, WritesStopped
from quiredb.engine.building import Progress
from quiredb.repositories.backup import Backups
from quiredb.repositories.libraries import LibraryRepository
from quiredb.repositories.open_library import OpenLibrary
from quiredb.repositories.segments import seal
from quiredb.storage import files
from quiredb.storage.backups.manifest import Manifest
from quiredb.storage.database import PAGE_BYTES
from quiredb.storage.disk import LocalDisk
from reliability.disk.journal import Journal, Way
from reliability.disk.simulated_disk import simulated
from tests.unit.repositories.libraries import assert_finds, batch, creation, fill, put, wait_until

UNWATCHED = Progress(lambda _: None, lambda: False)


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[LibraryRepository]:
    """Two libraries of 600 chunks, without background work."""
    repository = LibraryRepository.open(tmp_path / "data")
    for name in ("one", "other"):
        fill(repository.create(creation(name))[0], range(600))
    yield repository
    repository.close()


def database_of(repository: LibraryRepository, name: str) -> Path:
    key = repository.folder.catalogue.entries()[name]
    return repository.folder.library_folder(key) / "library.sqlite"


def damage(repository: LibraryRepository, name: str) -> OpenLibrary:
    """Flip a bit in every page but the first of the file of an open library."""
    library = repository.get(name)
    with library.exclusively():
        library.store.checkpoint()
    path = database_of(repository, name)
    with path.open("r+b") as stream:
        for start in range(PAGE_BYTES, path.stat().st_size, PAGE_BYTES):
            stream.seek(start + 5_000)
            byte = stream.read(1)
            stream.seek(start + 5_000)
            stream.write(bytes([byte[0] ^ 1]))
    return library


def test_a_library_that_proves_damaged_is_closed_and_the_others_serve(repository: LibraryRepository) -> None:
    library = damage(repository, "one")
    assert repository.get("one") is library, "nobody has looked yet"
    with pytest.raises(DataDamaged):
        library.store.chunk("chunk-000007", 1)

    with pytest.raises(DataDamaged, match="quire check"):
        repository.get("one")
    with pytest.raises(DataDamaged):
        library.submit(batch(put(1_000)))
    assert list(repository.damaged) == ["one"]
    assert [other.id for other in repository.all()] == ["other"]
    repository.get("other").submit(batch(put(600)))
    assert_finds(repository.get("other"), set(range(601)))
    with pytest.raises(DataDamaged):
        repository.delete("one", Expectation(version=1))
    repository.delete("one")
    assert repository.damaged == {}
    with pytest.raises(NotFound):
        repository.get("one")


def with_a_failed_flush(folder: Path, journal: Journal) -> LibraryRepository:
    """Two libraries of thirty chunks; a flush of `one` has failed, and the disk works again."""
    repository = LibraryRepository.open(folder)
    for name in ("one", "other"):
        fill(repository.create(creation(name))[0], range(30))
    fail_next(journal, "flush")
    with pytest.raises(WritesStopped):
        repository.get("one").submit(batch(put(30)))
    journal.heal()
    return repository


def test_after_a_failed_flush_a_library_is_read_only_until_a_restart(tmp_path: Path) -> None:
    with simulated(tmp_path) as journal:
        repository = with_a_failed_flush(tmp_path / "data", journal)

        with pytest.raises(WritesStopped, match="restart Quire"):
            repository.get("one").submit(batch(put(31)))
        assert list(repository.read_only) == ["one"]
        assert_finds(repository.get("one"), set(range(30)))
        repository.get("other").submit(batch(put(30)))
        repository.close()
        assert journal.flushed_after_failure == []

        reopened = LibraryRepository.open(tmp_path / "data")
        assert reopened.read_only == {}
        reopened.get("one").submit(batch(put(30), put(31)))
        assert_finds(reopened.get("one"), set(range(32)))
        reopened.close()


def test_a_backup_does_not_flush_a_file_again_whose_flush_failed(tmp_path: Path) -> None:
    with simulated(tmp_path) as journal:
        repository = with_a_failed_flush(tmp_path / "data", journal)

        *_, manifest = Backups(repository, "test").parts(frozenset())
        assert isinstance(manifest, Manifest)
        assert [library.id for library in manifest.libraries] == ["other"]
        assert [omitted.id for omitted in manifest.omitted] == ["one"]
        repository.close()
        assert journal.flushed_after_failure == []


def test_a_library_whose_deletion_is_in_doubt_takes_no_writes(tmp_path: Path) -> None:
    """The next start may find that it is deleted, and what was answered meanwhile would be gone with it."""
    with simulated(tmp_path) as journal:
        repository = LibraryRepository.open(tmp_path / "data")
        fill(repository.create(creation("one"))[0], range(30))
        fail_next(journal, "flush")
        with pytest.raises(WritesStopped):
            repository.delete("one")
        journal.heal()

        with pytest.raises(WritesStopped):
            repository.get("one").submit(batch(put(30)))
        assert set(repository.read_only) == {"*", "one"}
        assert_finds(repository.get("one"), set(range(30)))
        repository.close()


def fail_next(journal: Journal, kind: str, way: Way = Way.ERROR, suffix: str = "") -> None:
    """Let the next call of a kind to a file whose name ends so fail; earlier ones succeed."""
    call = journal.call

    def chosen(what: str, path: Path) -> Way | None:
        if what == kind and path.name.endswith(suffix) and journal.failed is None:
            journal.fail(len(journal.calls), way)
        return call(what, path)

    journal.call = chosen  # type: ignore[method-assign]


def can_be_found(repository: LibraryRepository, name: str) -> bool:
    try:
        return repository.get(name).id == name
    except StorageFailed:
        return False


class FullDisk(LocalDisk):
    """No space for new content."""

    def write(self, descriptor: int, content: bytes | memoryview) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_segment_that_finds_no_space_is_sealed_when_there_is_some(
    repository: LibraryRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = repository.get("one")
    with monkeypatch.context() as full:
        full.setattr(files, "DISK", FullDisk())
        with pytest.raises(StorageFull):
            seal(library, UNWATCHED)
        library.submit(batch(put(600)))
        assert_finds(library, set(range(601)))
    seal(library, UNWATCHED)
    assert len(library.view().segments) == 1
    assert_finds(library, set(range(601)))


def test_a_full_disk_refuses_writes_and_takes_them_again_without_a_restart(tmp_path: Path) -> None:
    with simulated(tmp_path) as journal:
        repository = LibraryRepository.open(tmp_path / "data")
        library, _ = repository.create(creation())
        fill(library, range(30))
        fail_next(journal, "write", Way.FULL)
        for _ in range(3):
            with pytest.raises(StorageFull):
                library.submit(batch(*(put(number) for number in range(30, 300))))
            with pytest.raises(StorageFull):
                repository.create(creation("another"))
        assert_finds(library, set(range(30)))
        journal.heal()
        library.submit(batch(put(30)))
        repository.create(creation("another"))
        assert_finds(library, set(range(31)))
        repository.close()


def test_a_library_that_is_made_is_answered_though_space_runs_out_right_after_its_entry(tmp_path: Path) -> None:
    with simulated(tmp_path) as journal:
        repository = LibraryRepository.open(tmp_path / "data")
        fill_disk_after_entry(journal)
        made, _ = repository.create(creation())
        assert journal.failed is not None, "the disk was full when the catalogue's log was merged"
        journal.heal()
        fill(made, range(30))
        repository.close()
        reopened = LibraryRepository.open(tmp_path / "data")
        assert_finds(reopened.get("library"), set(range(30)))
        reopened.close()


def test_a_library_that_could_not_be_read_once_is_opened_when_it_is_asked_for(tmp_path: Path) -> None:
    """The disk's error is no proof of damage."""
    with simulated(tmp_path) as journal:
        repository = LibraryRepository.open(tmp_path / "data")
        fill(repository.create(creation())[0], range(30))
        repository.close()
        fail_next(journal, "read", suffix="library.sqlite")
        repository = LibraryRepository.open(tmp_path / "data")
        assert list(repository.damaged) == ["library"]
        journal.heal()
        wait_until(lambda: can_be_found(repository, "library"), "the library opens")
        assert_finds(repository.get("library"), set(range(30)))
        repository.close()


def fill_disk_after_entry(journal: Journal) -> None:
    """Let the disk be full from the first write on that follows the flush of the catalogue's log."""
    call = journal.call
    committed = False

    def chosen(kind: str, path: Path) -> Way | None:
        nonlocal committed
        committed = committed or (kind == "flush" and path.name == "catalogue.sqlite-wal")
        if committed and journal.failed is None and (kind, path.name) == ("write", "catalogue.sqlite"):
            journal.fail(len(journal.calls), Way.FULL)
        return call(kind, path)

    journal.call = chosen  # type: ignore[method-assign]


def test_a_library_that_only_wanted_file_descriptors_is_opened_when_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = LibraryRepository.open(tmp_path / "data")
    fill(repository.create(creation())[0], range(30))
    repository.close()

    class NoDescriptors(LocalDisk):
        def read(self, path: Path, limit: int, offset: int) -> bytes:
            if path.name == "library.sqlite":
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            return super().read(path, limit, offset)

    with monkeypatch.context() as short:
        short.setattr(files, "DISK", NoDescriptors())
        repository = LibraryRepository.open(tmp_path / "data")
        with pytest.raises(StorageFailed, match="Too many open files"):
            repository.get("library")
    wait_until(lambda: can_be_found(repository, "library"), "the library opens")
    assert_finds(repository.get("library"), set(range(30)))
    assert repository.damaged == {}
    repository.close()
