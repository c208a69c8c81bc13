"""A disk that keeps a journal of every step and fails the step it is told to.

It stands below the product's file module and, as a VFS, below SQLite's checksums. It works on real files, so that
locks, shared memory and mappings are the real ones; what a power loss would leave is computed from the journal
(`medium.py`), so nothing is really flushed.
"""

from __future__ import annotations

import errno
import mmap
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw

from quiredb.storage import database, files
from quiredb.storage.disk import LocalDisk
from reliability.disk.journal import TAKES_SPACE, Journal, Way

_VFS_NAME = "simulated"
NO_NUMBERS: Mapping[str, int] = {}
_JOURNALS = apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_MAIN_JOURNAL
_CODES = {
    "open": apsw.SQLITE_CANTOPEN,
    "read": apsw.SQLITE_IOERR_READ,
    "write": apsw.SQLITE_IOERR_WRITE,
    "truncate": apsw.SQLITE_IOERR_TRUNCATE,
    "flush": apsw.SQLITE_IOERR_FSYNC,
    "remove": apsw.SQLITE_IOERR_DELETE,
}


class SimulatedDisk(LocalDisk):
    """What the product's file module uses; only what changes something, or can fail, goes into the journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._open: dict[int, tuple[Path, int, int]] = {}

    def create(self, path: Path) -> int:
        self._call("create", path)
        descriptor = super().create(path)
        if self._journal.is_known(path):
            self._journal.cut(self._journal.number(path), 0)
        self._open[descriptor] = (path, self._journal.number(path), 0)
        return descriptor

    def open_again(self, path: Path) -> int:
        self._call("open_again", path)
        descriptor = super().open_again(path)
        self._open[descriptor] = (path, self._journal.number(path), 0)
        return descriptor

    def write(self, descriptor: int, content: bytes | memoryview) -> int:
        path, number, offset = self._open[descriptor]
        way = self._journal.call("write", path)
        if way is Way.SHORT:
            content = memoryview(content)[: len(content) // 2]
        elif way is not None:
            raise _os_error(way, path)
        count = super().write(descriptor, content)
        self._journal.wrote(number, offset, bytes(content[:count]))
        self._open[descriptor] = (path, number, offset + count)
        return count

    def flush(self, descriptor: int) -> None:
        path, number, _ = self._open[descriptor]
        way = self._journal.call("flush", path)
        self._journal.flushed(number, kept=way is None)
        if way is not None:
            raise _os_error(way, path)

    def close(self, descriptor: int) -> None:
        self._open.pop(descriptor, None)
        super().close(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        self._call("rename", target)
        super().rename(source, target)
        self._journal.renamed(source, target)

    def remove(self, path: Path) -> None:
        self._call("remove", path)
        super().remove(path)
        self._journal.removed(path)

    def make_folder(self, path: Path) -> None:
        self._call("make_folder", path)
        super().make_folder(path)
        self._journal.made_folder(path)

    def remove_folder(self, path: Path) -> None:
        self._call("remove_folder", path)
        super().remove_folder(path)
        self._journal.removed(path)

    def flush_folder(self, path: Path) -> None:
        self._call("flush_folder", path)
        self._journal.flushed_names(path)

    def lock(self, path: Path, note: bytes) -> int:
        self._call("lock", path)
        descriptor = super().lock(path, note)
        self._journal.number(path)
        return descriptor

    def read(self, path: Path, limit: int, offset: int) -> bytes:
        self._call("read", path)
        return super().read(path, limit, offset)

    def map(self, path: Path) -> mmap.mmap:
        self._call("map", path)
        return super().map(path)

    def names(self, path: Path) -> list[str]:
        self._call("names", path)
        return super().names(path)

    def _call(self, kind: str, path: Path) -> None:
        way = self._journal.call(kind, path)
        if way is not None:
            raise _os_error(way, path)


class SimulatedVfs(apsw.VFS):
    """Below SQLite's checksums."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        super().__init__(_VFS_NAME, "unix", makedefault=True)

    def xOpen(self, name: Any, flags: Any) -> apsw.VFSFile:  # noqa: N802 (SQLite's name)
        if name is None:
            return apsw.VFSFile("unix", name, flags)
        path = Path(name.filename() if isinstance(name, apsw.URIFilename) else name)
        _refuse(self.journal, "open", path)
        return _SimulatedFile(self.journal, path, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802 (SQLite's name)
        path = Path(filename)
        _refuse(self.journal, "remove", path)
        super().xDelete(filename, syncdir)
        self.journal.removed(path)
        if syncdir:
            self.journal.flushed_names(path.parent)


class _SimulatedFile(apsw.VFSFile):
    def __init__(self, journal: Journal, path: Path, name: Any, flags: Any) -> None:
        self._journal, self._path = journal, path
        super().__init__("unix", name, flags)
        # SQLite flushes the folder of a log that it has made, once, when the log is first flushed.
        self._name_is_new = not journal.is_known(path) and bool(flags[0] & _JOURNALS)
        self._number = journal.number(path)
        self._flush_failed = False

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802 (SQLite's name)
        _refuse(self._journal, "read", self._path)
        return super().xRead(amount, offset)

    def xWrite(self, data: Any, offset: int) -> None:  # noqa: N802 (SQLite's name)
        way = self._journal.call("write", self._path)
        content = bytes(data)
        if way is Way.SHORT:
            content = content[: len(content) // 2]
        if way is None or (content and way is Way.SHORT):
            super().xWrite(content, offset)
            self._journal.wrote(self._number, offset, content)
        if way is not None:
            raise apsw.exception_for(apsw.SQLITE_FULL if way is not Way.ERROR else apsw.SQLITE_IOERR_WRITE)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802 (SQLite's name)
        _refuse(self._journal, "truncate", self._path)
        super().xTruncate(newsize)
        self._journal.cut(self._number, newsize)

    def xSync(self, flags: int) -> None:  # noqa: N802 (SQLite's name)
        way = self._journal.call("flush", self._path)
        if self._flush_failed:
            self._journal.flushed_again(self._path)
        self._journal.flushed(self._number, kept=way is None)
        self._flush_failed = self._flush_failed or way is not None
        if way is not None:
            raise apsw.exception_for(apsw.SQLITE_IOERR_FSYNC)
        if self._name_is_new:
            self._journal.flushed_names(self._path.parent)
            self._name_is_new = False


def _refuse(journal: Journal, kind: str, path: Path) -> None:
    way = journal.call(kind, path)
    if way is Way.FULL and kind in TAKES_SPACE:
        raise apsw.exception_for(apsw.SQLITE_FULL)
    if way is not None:
        raise apsw.exception_for(_CODES[kind])


def _os_error(way: Way, path: Path) -> OSError:
    number = errno.ENOSPC if way is Way.FULL else errno.EIO
    return OSError(number, os.strerror(number), str(path))


@contextmanager
def simulated(root: Path, numbers: Mapping[str, int] = NO_NUMBERS, last_number: int = 0) -> Iterator[Journal]:
    """In the block all files of the product are on a simulated disk; those below `root` are in its journal.

    numbers: of the files that are there already, by their paths below `root`. last_number: new ones get greater ones.
    """
    journal = Journal(root, numbers, last_number)
    earlier = files.DISK
    apsw.unregister_vfs(database.VFS_NAME)
    vfs = SimulatedVfs(journal)
    database.load_checksums()
    files.DISK = SimulatedDisk(journal)
    try:
        yield journal
    finally:
        files.DISK = earlier
        apsw.unregister_vfs(database.VFS_NAME)
        vfs.unregister()
        database.load_checksums()
