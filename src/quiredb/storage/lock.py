"""One process per data folder: an operating system lock that dies with the process."""

import os
from pathlib import Path

from quiredb.domain.errors import FolderInUse
from quiredb.storage.files import lock_file, read_file, unlock_file

_HOLDER_BYTES_MAX = 32


class FolderLock:
    """An exclusive lock on a file. The file's content, the holder's process id, is for people only."""

    def __init__(self, path: Path) -> None:
        """Take the lock, or raise `FolderInUse` without changing anything."""
        descriptor = lock_file(path, f"{os.getpid()}\n".encode())
        if descriptor is None:
            holder = read_file(path, _HOLDER_BYTES_MAX).decode("ascii", "replace").strip() or "unknown"
            raise FolderInUse(
                f"{path.parent} is in use by process {holder}; stop that process or choose another data folder."
            )
        self._descriptor = descriptor

    def release(self) -> None:
        """Give the lock back. The file stays: removing it would let two processes hold two locks."""
        unlock_file(self._descriptor)
