"""What Quire asks of the operating system about files, outside SQLite; nothing else in the package touches files.

SQLite has a seam of its own: its VFS, which `quiredb.storage.database` stacks its checksums on.
"""

import fcntl
import mmap
import os
from pathlib import Path
from typing import Protocol, TypeAlias

Mapped: TypeAlias = mmap.mmap
"""The content of a file as memory."""
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class Disk(Protocol):
    """Single steps, each of which may raise `OSError` and may be the last before the power goes.

    Nothing is durable before it is flushed: a file's content by `flush`, the names in a folder by `flush_folder`.
    """

    def create(self, path: Path) -> int:
        """An empty file, open for writing; one of that name loses its content."""
        ...

    def open_again(self, path: Path) -> int:
        """A file that exists, open for writing from its beginning; its content stays but for what is written over."""
        ...

    def write(self, descriptor: int, content: bytes | memoryview) -> int:
        """Append as much as goes; returns the number of bytes."""
        ...

    def flush(self, descriptor: int) -> None:
        """Bring an open file down to the medium."""
        ...

    def close(self, descriptor: int) -> None:
        """Let go of an open file and of what was locked by it."""
        ...

    def rename(self, source: Path, target: Path) -> None:
        """Give a file another name, in place of any file that has it."""
        ...

    def remove(self, path: Path) -> None:
        """Remove a file or link; `FileNotFoundError` when it is not there."""
        ...

    def make_folder(self, path: Path) -> None:
        """Create a folder that only its owner can enter; `FileExistsError` when something has the name."""
        ...

    def remove_folder(self, path: Path) -> None:
        """Remove an empty folder."""
        ...

    def flush_folder(self, path: Path) -> None:
        """Make the names in a folder durable."""
        ...

    def lock(self, path: Path, note: bytes) -> int:
        """Lock a file (made when absent), write the note into it; `BlockingIOError` while a process has it locked."""
        ...

    def read(self, path: Path, limit: int, offset: int) -> bytes:
        """The bytes of a file from an offset, at most `limit`; all when it is negative."""
        ...

    def map(self, path: Path) -> Mapped:
        """A file's content, read from the medium when it is touched."""
        ...

    def names(self, path: Path) -> list[str]:
        """What is in a folder, in order."""
        ...

    def is_file(self, path: Path) -> bool:
        """Whether a file has this name."""
        ...

    def is_folder(self, path: Path) -> bool:
        """Whether a folder has this name, or a link to one."""
        ...

    def is_link(self, path: Path) -> bool:
        """Whether a link has this name."""
        ...

    def size(self, path: Path) -> int:
        """Bytes of a file."""
        ...


class LocalDisk:
    """The file system of this machine."""

    def create(self, path: Path) -> int:
        """Open an empty file."""
        return os.open(path, _CREATE, 0o600)

    def open_again(self, path: Path) -> int:
        """Open a file to write over it."""
        return os.open(path, os.O_WRONLY | os.O_CLOEXEC)

    def write(self, descriptor: int, content: bytes | memoryview) -> int:
        """Append."""
        return os.write(descriptor, content)

    def flush(self, descriptor: int) -> None:
        """Down to the medium: on macOS an fsync alone stops at the drive's cache."""
        full = getattr(fcntl, "F_FULLFSYNC", None)
        if full is None:
            os.fsync(descriptor)
        else:
            fcntl.fcntl(descriptor, full)

    def close(self, descriptor: int) -> None:
        """Close."""
        os.close(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        """Rename."""
        source.replace(target)

    def remove(self, path: Path) -> None:
        """Remove a name."""
        path.unlink()

    def make_folder(self, path: Path) -> None:
        """Create a folder."""
        path.mkdir(mode=0o700)

    def remove_folder(self, path: Path) -> None:
        """Remove an empty folder."""
        path.rmdir()

    def flush_folder(self, path: Path) -> None:
        """Flush the folder as if it were a file."""
        descriptor = os.open(path, _FOLDER)
        try:
            self.flush(descriptor)
        finally:
            os.close(descriptor)

    def lock(self, path: Path, note: bytes) -> int:
        """An exclusive lock of the operating system, which dies with the process."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, note, 0)
        except OSError:
            os.close(descriptor)
            raise
        return descriptor

    def read(self, path: Path, limit: int, offset: int) -> bytes:
        """Open, read and close."""
        with path.open("rb") as stream:
            stream.seek(offset)
            return stream.read(limit)

    def map(self, path: Path) -> Mapped:
        """Map the whole file for reading."""
        with path.open("rb") as stream:
            return mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)

    def names(self, path: Path) -> list[str]:
        """List a folder."""
        return sorted(entry.name for entry in path.iterdir())

    def is_file(self, path: Path) -> bool:
        """Ask for the kind, following links."""
        return path.is_file()

    def is_folder(self, path: Path) -> bool:
        """Ask for the kind, following links."""
        return path.is_dir()

    def is_link(self, path: Path) -> bool:
        """Ask for the kind, not following links."""
        return path.is_symlink()

    def size(self, path: Path) -> int:
        """Ask for the size."""
        return path.stat().st_size
