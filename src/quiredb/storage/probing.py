"""What a folder's disk and SQLite can do, tried out without leaving anything behind."""

import os
import time
from pathlib import Path

import apsw

from quiredb.domain.errors import FolderInUse
from quiredb.storage.database import VFS_NAME
from quiredb.storage.files import remove_file, write_file
from quiredb.storage.folder import LOCK_NAME
from quiredb.storage.lock import FolderLock

_PROBE_NAME = ".quire-probe"
_PROBE_BYTES = b"\0" * 4096


def flush_seconds(folder: Path, times: int) -> float:
    """The median time of writing a file of 4 KiB for good. `StorageFailed` when that cannot be done."""
    path = folder / _PROBE_NAME
    taken = []
    try:
        for _ in range(times):
            started = time.perf_counter()
            write_file(path, [_PROBE_BYTES])
            taken.append(time.perf_counter() - started)
    finally:
        remove_file(path)
    return sorted(taken)[times // 2]


def sqlite_version() -> str:
    """The version of the SQLite in use."""
    return apsw.sqlite_lib_version()


def verifies_checksums() -> bool:
    """Whether pages will be verified: the checksum layer is there, and is the one that files are opened with."""
    return VFS_NAME in apsw.vfs_names()


def is_in_use(folder: Path) -> bool:
    """Whether a process holds the folder. Its lock is taken for a moment when nobody does."""
    if not (folder / LOCK_NAME).exists():
        return False
    try:
        FolderLock(folder / LOCK_NAME).release()
    except FolderInUse:
        return True
    return False


def may_write(folder: Path) -> bool:
    """Whether this user may read, write and enter the folder."""
    return os.access(folder, os.R_OK | os.W_OK | os.X_OK)


def others_may_read(folder: Path) -> bool:
    """Whether users who are not the folder's owner can enter or list it."""
    return bool(folder.stat().st_mode & 0o077)
