"""A folder of backups: blocks under their digests, shared by all backups, and a sealed manifest for each backup.

    quire-backup.json            {"format": 1}
    quire-backup.lock            locked while a backup is added or removed
    blocks/<2 digits>/<digest>   up to 1 MiB under its SHA-256
    manifests/<time>-<digest>    the manifest, and on a second line its seal

A backup is there when its manifest is: blocks are durable under their names before it is written.
"""

import hmac
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from quiredb.domain.errors import DataDamaged, FormatUnsupported, NotFound
from quiredb.storage.backups.manifest import (
    BLOCK_BYTES,
    MANIFEST_BYTES_MAX,
    Manifest,
    StoredFile,
    decode_manifest,
    encode_manifest,
    is_digest,
)
from quiredb.storage.backups.source import Block, KnownBlock, Part
from quiredb.storage.files import TEMPORARY_SUFFIX, file_errors, make_folder, remove_file, write_file
from quiredb.storage.lock import FolderLock

MARKER_NAME = "quire-backup.json"
LOCK_NAME = "quire-backup.lock"
BLOCKS_NAME = "blocks"
MANIFESTS_NAME = "manifests"
_MARKER = b'{"format":1}\n'
_BACKUP_ID = re.compile(r"\d{8}T\d{12}Z-[0-9a-f]{8}")
_SEAL_BYTES_MAX = 100
_UNFINISHED = {MARKER_NAME + TEMPORARY_SUFFIX, LOCK_NAME}


@dataclass(frozen=True, slots=True)
class StoredBackup:
    """One backup of a folder."""

    id: str
    manifest: Manifest


@dataclass(frozen=True, slots=True)
class Taken:
    """What a backup added to its folder."""

    backup: StoredBackup
    new_blocks: int
    new_bytes: int


class BackupFolder:
    """Backups in a folder.

    `secret` seals manifests by HMAC-SHA-256, so that a backup cannot be forged by who can write the folder but does not
    have the secret; without one the seal is a SHA-256, which shows damage only.
    """

    def __init__(self, path: Path, secret: bytes | None = None) -> None:
        self.path = path
        self._secret = secret

    @classmethod
    def open(cls, path: Path, secret: bytes | None = None) -> "BackupFolder":
        """A folder that is there; `FormatUnsupported` when it is none of backups, or newer."""
        marker = path / MARKER_NAME
        if not path.is_dir() or not marker.is_file():
            raise FormatUnsupported(f"{path} is not a folder of backups.")
        content = read_plain(marker, 1_000)
        if content != _MARKER:
            raise FormatUnsupported(f"{marker} is damaged or of a newer Quire; it should hold {_MARKER.decode()!r}.")
        return cls(path, secret)

    @classmethod
    def open_or_make(cls, path: Path, secret: bytes | None = None) -> "BackupFolder":
        """A folder that is there, or a new one where nothing is."""
        if (path / MARKER_NAME).exists():
            return cls.open(path, secret)
        if path.exists() and (not path.is_dir() or any(one.name not in _UNFINISHED for one in path.iterdir())):
            raise FormatUnsupported(f"{path} holds other files and no {MARKER_NAME}; choose an empty or new folder.")
        make_folder(path)
        write_file(path / MARKER_NAME, [_MARKER])
        return cls(path, secret)

    def known_blocks(self) -> frozenset[str]:
        """The digests of all blocks in the folder, believed by their names."""
        return frozenset(path.name for path in self._block_files() if path.stat().st_size)

    def ids(self) -> list[str]:
        """The ids of all backups, the oldest first."""
        folder = self.path / MANIFESTS_NAME
        if not folder.is_dir():
            return []
        return sorted(path.name for path in folder.iterdir() if _BACKUP_ID.fullmatch(path.name))

    def backup(self, backup_id: str | None = None) -> StoredBackup:
        """A backup by its id, the newest by default; its manifest has been held against its seal.

        `NotFound`, or `DataDamaged` when the manifest is not as it was written.
        """
        if backup_id is None:
            backup_id = next(reversed(self.ids()), None)
            if backup_id is None:
                raise NotFound("backup in", str(self.path))
        path = self.path / MANIFESTS_NAME / backup_id
        if _BACKUP_ID.fullmatch(backup_id) is None or not os.path.lexists(path):
            raise NotFound("backup", backup_id)
        content = read_plain(path, MANIFEST_BYTES_MAX + _SEAL_BYTES_MAX)
        encoded, _, seal = content.partition(b"\n")
        if not hmac.compare_digest(seal, self._seal(encoded)):
            raise DataDamaged(f"{path} does not match its seal: it was changed, or sealed with another secret.")
        manifest = decode_manifest(encoded)
        if backup_id != _backup_id(manifest, encoded):
            raise DataDamaged(f"{path} is not the manifest of the backup {backup_id}.")
        return StoredBackup(backup_id, manifest)

    def backups(self) -> Iterator[StoredBackup]:
        """All backups, the oldest first."""
        return (self.backup(backup_id) for backup_id in self.ids())

    def take(self, parts: Iterable[Part], told: Callable[[int], None]) -> Taken:
        """Add a backup. `told` hears the bytes of each part; `DataDamaged` when the parts do not make a backup."""
        new_blocks = new_bytes = 0
        manifest: Manifest | None = None
        with self._locked():
            for part in parts:
                match part:
                    case Block():
                        self._add_block(part)
                        new_blocks += 1
                        new_bytes += len(part.content)
                        told(len(part.content))
                    case KnownBlock():
                        told(BLOCK_BYTES)
                    case Manifest():
                        manifest = part
            if manifest is None:
                raise DataDamaged("The backup broke off before its end; nothing was added. Try again.")
            return Taken(self._add_manifest(manifest), new_blocks, new_bytes)

    def read(self, file: StoredFile) -> Iterator[bytes]:
        """The blocks of a file in order; `DataDamaged` for one that is missing or not as it was written."""
        for digest, size in file.sizes():
            yield self.block(digest, size)

    def block(self, digest: str, size: int) -> bytes:
        """One block."""
        path = self._block_path(digest)
        content = read_plain(path, size)
        if len(content) != size or sha256(content).hexdigest() != digest:
            raise DataDamaged(
                f"{path} does not hold what its name says; remove it: the next backup may bring it again."
            )
        return content

    def complaints(self, digest: str, size: int) -> list[str]:
        """What is wrong with a block; nothing when it is as it was written."""
        try:
            self.block(digest, size)
        except DataDamaged as error:
            return [error.detail]
        return []

    def remove(self, backup_id: str) -> int:
        """Remove a backup and the blocks that no other needs; returns the bytes that came free.

        While any manifest cannot be read, blocks stay: nobody can tell which it needs.
        """
        with self._locked():
            self.backup(backup_id)
            remove_file(self.path / MANIFESTS_NAME / backup_id)
            return self._collect()

    def _collect(self) -> int:
        needed = set().union(*(backup.manifest.blocks() for backup in self.backups()))
        freed = 0
        for path in list(self._block_files()):
            if path.name not in needed:
                freed += path.stat().st_size
                remove_file(path)
        return freed

    def _add_block(self, block: Block) -> None:
        if sha256(block.content).hexdigest() != block.digest or not 0 < len(block.content) <= BLOCK_BYTES:
            raise DataDamaged("A block of the backup was changed on its way; nothing was added. Try again.")
        path = self._block_path(block.digest)
        make_folder(path.parent)
        write_file(path, [block.content])

    def _add_manifest(self, manifest: Manifest) -> StoredBackup:
        missing = manifest.blocks().keys() - self.known_blocks()
        if missing:
            raise DataDamaged(f"The backup lacks {len(missing)} blocks; nothing was added. Try again.")
        encoded = encode_manifest(manifest)
        backup_id = _backup_id(manifest, encoded)
        make_folder(self.path / MANIFESTS_NAME)
        write_file(self.path / MANIFESTS_NAME / backup_id, [encoded, b"\n", self._seal(encoded)])
        return StoredBackup(backup_id, manifest)

    def _seal(self, encoded: bytes) -> bytes:
        if self._secret is None:
            return b"sha256 " + sha256(encoded).hexdigest().encode() + b"\n"
        return b"hmac-sha256 " + hmac.new(self._secret, encoded, sha256).hexdigest().encode() + b"\n"

    def _block_path(self, digest: str) -> Path:
        return self.path / BLOCKS_NAME / digest[:2] / digest

    def _block_files(self) -> Iterator[Path]:
        for folder in sorted((self.path / BLOCKS_NAME).glob("[0-9a-f][0-9a-f]")):
            yield from (path for path in sorted(folder.iterdir()) if is_digest(path.name) and not path.is_symlink())

    @contextmanager
    def _locked(self) -> Iterator[None]:
        lock = FolderLock(self.path / LOCK_NAME)
        try:
            self._remove_unfinished()
            yield
        finally:
            lock.release()

    def _remove_unfinished(self) -> None:
        for path in (self.path / BLOCKS_NAME).glob(f"*/*{TEMPORARY_SUFFIX}"):
            remove_file(path)


def read_plain(path: Path, bytes_max: int) -> bytes:
    """A file that is neither a link nor anything else than a file, and not larger than expected.

    Raises:
        DataDamaged: it is none such, or missing.
    """
    with file_errors(path):
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise DataDamaged(f"{path} is refused: {error.strerror}.") from error
        described = os.fstat(descriptor)
        if not stat.S_ISREG(described.st_mode) or described.st_size > bytes_max:
            os.close(descriptor)
            raise DataDamaged(f"{path} is refused: it is no plain file, or larger than {bytes_max} bytes.")
        with os.fdopen(descriptor, "rb") as stream:
            return stream.read()


def _backup_id(manifest: Manifest, encoded: bytes) -> str:
    return f"{manifest.instant:%Y%m%dT%H%M%S%fZ}-{sha256(encoded).hexdigest()[:8]}"
