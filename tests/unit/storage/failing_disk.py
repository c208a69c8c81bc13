"""A disk that fails when it is told to, beneath SQLite."""

from __future__ import annotations

from typing import Any

import apsw


class FailingDisk(apsw.VFS):
    """The checksum VFS over a disk that fails each write or flush from a chosen one on."""

    def __init__(self) -> None:
        self.calls_left: int | None = None
        self.is_full = False
        self.fail_flush_after: int | None = None
        self.flushes = 0
        super().__init__("failing", "cksmvfs")

    def xOpen(self, name: Any, flags: Any) -> FailingFile:  # noqa: N802 (SQLite's name)
        return FailingFile(self, name, flags)

    def fail_after(self, calls: int, *, full: bool = False) -> None:
        self.calls_left, self.is_full = calls, full

    def heal(self) -> bool:
        """Work again; tells whether anything failed."""
        failed = self.calls_left is not None and self.calls_left < 0
        self.calls_left = None
        return failed

    def count(self, code: int) -> None:
        if self.calls_left is None:
            return
        self.calls_left -= 1
        if self.calls_left < 0:
            raise apsw.exception_for(apsw.SQLITE_FULL if self.is_full else code)


class FailingFile(apsw.VFSFile):
    def __init__(self, disk: FailingDisk, name: Any, flags: Any) -> None:
        self._disk = disk
        super().__init__("cksmvfs", name, flags)

    def xSync(self, flags: int) -> None:  # noqa: N802 (SQLite's name)
        self._disk.flushes += 1
        if self._disk.fail_flush_after is not None and self._disk.flushes > self._disk.fail_flush_after:
            raise apsw.exception_for(apsw.SQLITE_IOERR_FSYNC)
        self._disk.count(apsw.SQLITE_IOERR_FSYNC)
        super().xSync(flags)

    def xWrite(self, data: Any, offset: int) -> None:  # noqa: N802 (SQLite's name)
        self._disk.count(apsw.SQLITE_IOERR_WRITE)
        super().xWrite(data, offset)
