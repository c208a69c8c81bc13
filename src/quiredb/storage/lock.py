"""One process per data folder: an operating system lock that dies with the process."""

import fcntl
import os
from pathlib import Path

from quiredb.domain.errors import FolderInUse
from quiredb.storage.files import file_errors


class FolderLock:
    """An exclusive lock on a file. The file's content, the holder's process id, is for people only."""

    def __init__(self, path: Path) -> None:
        """Take the lock, or raise `FolderInUse` without changing anything."""
        with file_errors(path):
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(self._descriptor)
            raise FolderInUse(
                f"{path.parent} is in use by process {holder}; stop that process or choose another data folder."
            ) from None
        with file_errors(path):
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Give the lock back. The file stays: removing it would let two processes hold two locks."""
        os.close(self._descriptor)
