"""Bugs in how backups are taken and restored."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from quiredb.repositories import backup
from quiredb.storage.backups import manifest, pin, restore, source
from quiredb.storage.backups.folder import BackupFolder, StoredBackup
from quiredb.storage.backups.manifest import StoredLibrary, decode_manifest
from quiredb.storage.connections import ReadConnections
from quiredb.storage.health import DatabaseHealth


def ignore_seal() -> None:
    """The manifest is not held against its seal."""

    def read(self: BackupFolder, backup_id: str | None = None) -> StoredBackup:
        backup_id = backup_id or self.ids()[-1]
        content = (self.path / "manifests" / backup_id).read_bytes()
        return StoredBackup(backup_id, decode_manifest(content.partition(b"\n")[0]))

    BackupFolder.backup = read


def ignore_digests() -> None:
    """A block is believed by its name."""

    def block(self: BackupFolder, digest: str, size: int) -> bytes:
        return self._block_path(digest).read_bytes().ljust(size, b"\0")[:size]

    BackupFolder.block = block


def trust_names() -> None:
    """Keys and names of a manifest become paths as they are."""

    class Anything:
        @staticmethod
        def fullmatch(text: str) -> bool:
            return True

    manifest._KEY = manifest._SEGMENT = Anything


def skip_proof() -> None:
    """A restored library is not compared with what the manifest says of it."""

    def prove(building: Path, library: StoredLibrary) -> None:
        return None

    restore._prove = prove


def read_moving_files() -> None:
    """The database file is read while commits and checkpoints change it."""

    @contextmanager
    def moving(path: Path, _: Callable[[], None] | None = None) -> Iterator[ReadConnections]:
        readers = ReadConnections(DatabaseHealth(path))
        try:
            yield readers
        finally:
            readers.close()

    for module in (pin, source, backup):
        module.held_still = moving
    source.held_still_alone = moving


def build_in_place() -> None:
    """Files are restored under the name of the finished folder."""

    def nothing(*_: object) -> None:
        return None

    restore._beside = lambda target: target
    restore._check_target = nothing
    restore.rename_file = nothing
