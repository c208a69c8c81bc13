"""Backups of an open folder, while it is written to, indexed, and changed in every way."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from quiredb.domain.errors import Conflict
from quiredb.repositories.backup import Backups
from quiredb.repositories.libraries import LibraryRepository
from quiredb.repositories.open_library import OpenLibrary
from quiredb.services.backup import BackupService
from quiredb.storage import files
from quiredb.storage.backups.folder import BackupFolder, StoredBackup
from quiredb.storage.backups.manifest import Manifest
from quiredb.storage.backups.restore import restore_backup
from quiredb.storage.backups.source import Part
from quiredb.storage.backups.stream import decode_parts
from quiredb.storage.check import check_folder
from quiredb.storage.disk import LocalDisk
from quiredb.storage.library_store import LibraryStore
from tests.unit.repositories.libraries import assert_finds, batch, creation, delete, fill, opened, put, rebuild, settle

BACKUPS_UNDER_LOAD = 6


@contextmanager
def under_load(library: OpenLibrary, states: dict[int, str]) -> Iterator[None]:
    """Another thread writes; `states` gets the digest of every position it made."""
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            operations = (put(number % 700), put(1_000 + number % 50), delete(number * 7 % 700))
            position = library.submit(batch(*operations)).position
            states[position] = library.store.digest(position)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def take(repository: LibraryRepository, backups: BackupFolder) -> StoredBackup:
    return backups.take(Backups(repository, "test").parts(backups.known_blocks()), lambda _: None).backup


def test_a_backup_under_load_restores_to_the_digest_of_its_position(tmp_path: Path) -> None:
    backups = BackupFolder.open_or_make(tmp_path / "backups")
    states: dict[int, str] = {}
    with opened(tmp_path / "data") as repository:
        library, _ = repository.create(creation())
        fill(library, range(600))
        states[library.view().position] = library.store.digest(library.view().position)
        with under_load(library, states):
            taken = [take(repository, backups) for _ in range(BACKUPS_UNDER_LOAD)]
        last = library.view().position

    positions = [one.manifest.libraries[0].position for one in taken]
    assert positions == sorted(positions)
    assert positions[-1] <= last
    for number, one in enumerate(taken):
        (stated,) = one.manifest.libraries
        assert stated.digest == states[stated.position]
        restore_backup(backups, one, tmp_path / f"again-{number}", lambda _: None)
        with closing(LibraryStore.open(tmp_path / f"again-{number}" / "libraries" / stated.key)) as store:
            assert store.library().position == stated.position
            assert store.digest(stated.position) == states[stated.position]
        assert check_folder(tmp_path / f"again-{number}") == []


def test_commits_go_on_while_a_library_is_read(tmp_path: Path) -> None:
    with opened(tmp_path / "data") as repository:
        library, _ = repository.create(creation())
        fill(library, range(2_000))
        before = library.view().position
        backups = BackupFolder.open_or_make(tmp_path / "backups")

        def writing(parts: Iterator[Part]) -> Iterator[Part]:
            for part in parts:
                library.submit(batch(put(5_000)))
                library.store.checkpoint()
                yield part

        backups.take(writing(Backups(repository, "test").parts(frozenset())), lambda _: None)
        (stated,) = backups.backup().manifest.libraries
        assert library.view().position > stated.position >= before


def test_a_restored_server_searches_with_the_segments_that_came_along(tmp_path: Path) -> None:
    backups = BackupFolder.open_or_make(tmp_path / "backups")
    with opened(tmp_path / "data") as repository:
        library, _ = repository.create(creation())
        fill(library, range(1_500))
        rebuild(repository, library)
        library.submit(batch(*map(delete, range(100))))
        settle(repository, library)
        backup = take(repository, backups)
    restore_backup(backups, backup, tmp_path / "again", lambda _: None)

    assert len(backup.manifest.libraries[0].segments) == 1
    with opened(tmp_path / "again") as repository:
        library = repository.get("library")
        assert library.damaged == set()
        assert_finds(library, set(range(100, 1_500)))


def test_libraries_that_come_and_go_meanwhile(tmp_path: Path) -> None:
    backups = BackupFolder.open_or_make(tmp_path / "backups")
    with opened(tmp_path / "data") as repository:
        for name in ("a", "b", "c", "d"):
            fill(repository.create(creation(name))[0], range(10))
        parts = Backups(repository, "test").parts(frozenset())
        first = next(parts)
        repository.delete("b")
        repository.delete("c")
        repository.create(creation("c"))
        repository.create(creation("new"))

        def all_of() -> Iterator[Part]:
            yield first
            yield from parts

        backup = backups.take(all_of(), lambda _: None).backup
    restore_backup(backups, backup, tmp_path / "again", lambda _: None)

    assert [one.id for one in backup.manifest.libraries] == ["a", "d"]
    assert backup.manifest.omitted == ()
    with opened(tmp_path / "again") as repository:
        assert [library.id for library in repository.all()] == ["a", "d"]
        assert_finds(repository.get("a"), set(range(10)))


def test_one_backup_at_a_time(tmp_path: Path) -> None:
    with opened(tmp_path / "data") as repository:
        fill(repository.create(creation())[0], range(10))
        service = BackupService(Backups(repository, "test"))
        first = service.stream(frozenset())
        next(first)
        with pytest.raises(Conflict):
            next(service.stream(frozenset()))
        assert service.last_success is None
        first.close()
        list(service.stream(frozenset()))
        assert service.last_success is not None


def test_a_backup_is_complete_though_there_is_no_space_to_note_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class FullDisk(LocalDisk):
        def create(self, path: Path) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with opened(tmp_path / "data") as repository:
        fill(repository.create(creation())[0], range(10))
        made = Backups(repository, "test")
        with monkeypatch.context() as full:
            full.setattr(files, "DISK", FullDisk())
            *_, manifest = decode_parts(made.stream(frozenset()))
        assert isinstance(manifest, Manifest)
        assert made.last_success is not None


def test_a_backup_that_is_given_up_lets_the_log_be_merged(tmp_path: Path) -> None:
    with opened(tmp_path / "data") as repository:
        library, _ = repository.create(creation())
        fill(library, range(2_000))
        log = next((tmp_path / "data").rglob("library.sqlite")).with_name("library.sqlite-wal")
        parts = Backups(repository, "test").parts(frozenset())
        next(parts)
        next(parts)
        library.submit(batch(put(5_000)))
        library.store.checkpoint()
        assert log.stat().st_size > 0
        parts.close()  # type: ignore[attr-defined]
        library.store.checkpoint()
        assert log.stat().st_size == 0
