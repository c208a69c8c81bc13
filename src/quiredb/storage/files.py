"""The only place outside SQLite that creates, flushes, renames and removes files."""

import errno
import fcntl
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from quiredb.domain.errors import StorageFailed, StorageFull

TEMPORARY_SUFFIX = ".tmp"
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT}


@contextmanager
def file_errors(path: Path) -> Iterator[None]:
    """Turn the operating system's errors into `StorageFull` and `StorageFailed`."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_SPACE:
            raise StorageFull(f"No space is left to write {path}; free some and try again.") from error
        raise StorageFailed(f"{path}: {error.strerror or error}.") from error


def make_folder(path: Path) -> None:
    """Create a folder that only its owner can enter, durably; one that exists is left as it is."""
    if path.is_dir():
        return
    if not path.parent.is_dir():
        make_folder(path.parent)
    with file_errors(path):
        path.mkdir(mode=0o700, exist_ok=True)
        flush_folder(path.parent)


def write_file(path: Path, parts: Iterable[bytes | memoryview]) -> int:
    """Write a file durably and atomically: it appears complete under its name or not at all. Returns its bytes."""
    temporary = path.with_name(path.name + TEMPORARY_SUFFIX)
    with file_errors(path):
        try:
            with temporary.open("wb") as stream:
                written = sum(stream.write(part) for part in parts)
                stream.flush()
                _flush(stream.fileno())
            temporary.replace(path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        flush_folder(path.parent)
    return written


def rename_file(source: Path, target: Path) -> None:
    """Give a finished file its name, durably; a file of that name is replaced."""
    with file_errors(target):
        source.replace(target)
        flush_folder(target.parent)


def remove_file(path: Path) -> None:
    """Remove a file; whether the removal survives a power loss does not matter to the caller."""
    with file_errors(path):
        path.unlink(missing_ok=True)


def remove_folder(path: Path) -> None:
    """Remove a folder and all that is in it. Links are removed, not followed."""
    with file_errors(path):
        shutil.rmtree(path)
        flush_folder(path.parent)


def flush_folder(path: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _flush(descriptor)
    finally:
        os.close(descriptor)


def _flush(descriptor: int) -> None:
    """Down to the medium: on macOS an fsync alone stops at the drive's cache."""
    full = getattr(fcntl, "F_FULLFSYNC", None)
    if full is None:
        os.fsync(descriptor)
    else:
        fcntl.fcntl(descriptor, full)
