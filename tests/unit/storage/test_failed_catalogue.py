"""After a flush of the catalogue has failed, nothing that writes there goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from quiredb.domain.errors import WritesStopped
from quiredb.domain.keys import KeyDraft
from quiredb.repositories.keys import KeyRing
from quiredb.repositories.libraries import LibraryRepository
from quiredb.services.keys import KeyService
from tests.unit.storage.failing_disk import FailingDisk


def test_after_a_failed_flush_of_the_catalogue_no_key_is_written_there(disk: FailingDisk, tmp_path: Path) -> None:
    repository = LibraryRepository.open(tmp_path / "data")
    service, health = KeyService(repository), repository.folder.catalogue.health
    used, key = service.create(KeyDraft("used"))
    ring = KeyRing(tmp_path / "data", required=True, health=health)
    assert ring.identify(key.encode()) is not None
    disk.fail_flush_after = disk.flushes
    with pytest.raises(WritesStopped):
        repository.folder.catalogue.add("library", "0123456789abcdef", None)
    disk.fail_flush_after, disk.flushes = None, 0
    for write_again in (
        ring.record_uses,
        lambda: service.create(KeyDraft("more")),
        lambda: service.revoke(used.id),
    ):
        with pytest.raises(WritesStopped):
            write_again()
    assert [one.id for one in service.list()] == [used.id]
    with pytest.raises(WritesStopped):
        ring.close()
    repository.close()
    assert disk.flushes == 0


def test_a_failed_flush_of_uses_stops_the_catalogue(disk: FailingDisk, tmp_path: Path) -> None:
    repository = LibraryRepository.open(tmp_path / "data")
    _, key = KeyService(repository).create(KeyDraft("used"))
    ring = KeyRing(tmp_path / "data", required=True, health=repository.folder.catalogue.health)
    ring.identify(key.encode())
    disk.fail_flush_after = disk.flushes
    for _ in range(2):
        with pytest.raises(WritesStopped):
            ring.record_uses()
        disk.fail_flush_after = None
    assert repository.read_only.keys() == {"*"}
    with pytest.raises(WritesStopped):
        ring.close()
    repository.close()
