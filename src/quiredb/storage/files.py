"""Files outside SQLite, durably: the only module that uses the disk. Every error of it comes out as one of ours."""

import errno
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from quiredb.domain.errors import DataDamaged, StorageFailed, StorageFull
from quiredb.storage.disk import Disk, LocalDisk, Mapped

TEMPORARY_SUFFIX = ".tmp"
DISK: Disk = LocalDisk()
"""Where all files are. A rig that loses power puts another one here."""
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
    """Create a folder that only its owner can enter, durably.

    One that exists is left as it is, but its name is flushed too: who made it may have died before.
    """
    with file_errors(path):
        if DISK.is_folder(path):
            _flush_name(path)
            return
        if not DISK.is_folder(path.parent):
            make_folder(path.parent)
        DISK.make_folder(path)
        flush_folder(path.parent)


def write_file(path: Path, parts: Iterable[bytes | memoryview]) -> int:
    """Write a file durably and atomically: it appears complete under its name or not at all. Returns its bytes."""
    temporary = path.with_name(path.name + TEMPORARY_SUFFIX)
    with file_errors(path):
        try:
            written = _write(temporary, parts)
            DISK.rename(temporary, path)
        except OSError:
            with suppress(OSError):
                _remove(temporary)
            raise
        flush_folder(path.parent)
    return written


def rewrite_file(path: Path, parts: Iterable[bytes | memoryview]) -> None:
    """Write over the beginning of a file that exists, durably; it keeps its size, and whoever has it open keeps it."""
    with file_errors(path):
        _fill(DISK.open_again(path), parts)


def rename_file(source: Path, target: Path) -> None:
    """Give a finished file its name, durably; a file of that name is replaced."""
    with file_errors(target):
        DISK.rename(source, target)
        flush_folder(target.parent)


def remove_file(path: Path) -> None:
    """Remove a file; whether the removal survives a power loss does not matter to the caller."""
    with file_errors(path):
        _remove(path)


def remove_folder(path: Path) -> None:
    """Remove a folder and all that is in it. Links are removed, not followed."""
    with file_errors(path):
        _remove_tree(path)
        flush_folder(path.parent)


def flush_folder(path: Path) -> None:
    """Make the names in a folder durable."""
    with file_errors(path):
        DISK.flush_folder(path)


def lock_file(path: Path, note: bytes) -> int | None:
    """Lock a file, made when absent, until `unlock_file`; None while another process has it locked."""
    with file_errors(path):
        try:
            return DISK.lock(path, note)
        except BlockingIOError:
            return None


def unlock_file(descriptor: int) -> None:
    """Give a lock back."""
    DISK.close(descriptor)


def read_file(path: Path, limit: int = -1, offset: int = 0) -> bytes:
    """The content of a file, or a part of it. `DataDamaged` when the medium does not give it."""
    with file_errors(path):
        try:
            return DISK.read(path, limit, offset)
        except OSError as error:
            if error.errno == errno.EIO:
                raise DataDamaged(f"{path} cannot be read from the disk.") from error
            raise


def read_record(path: Path, limit: int = -1, offset: int = 0) -> bytes:
    """The same of a file that cannot be built again: an error of the disk is no proof of damage, and may pass."""
    with file_errors(path):
        return DISK.read(path, limit, offset)


def map_file(path: Path) -> Mapped:
    """The content of a file that is not empty, read from the medium when it is touched."""
    with file_errors(path):
        return DISK.map(path)


def folder_names(path: Path) -> list[str]:
    """What is in a folder, in order."""
    with file_errors(path):
        return DISK.names(path)


def is_file(path: Path) -> bool:
    """Whether a file has this name."""
    with file_errors(path):
        return DISK.is_file(path)


def is_folder(path: Path) -> bool:
    """Whether a folder, or a link to one, has this name."""
    with file_errors(path):
        return DISK.is_folder(path)


def file_bytes(path: Path) -> int:
    """Bytes of a file, 0 when there is none."""
    with file_errors(path):
        try:
            return DISK.size(path)
        except FileNotFoundError:
            return 0


def _write(path: Path, parts: Iterable[bytes | memoryview]) -> int:
    return _fill(DISK.create(path), parts)


def _fill(descriptor: int, parts: Iterable[bytes | memoryview]) -> int:
    """Write all parts, flush and close."""
    written = 0
    try:
        for part in parts:
            left = memoryview(part).cast("B")
            while left:
                count = DISK.write(descriptor, left)
                left = left[count:]
                written += count
        DISK.flush(descriptor)
    finally:
        DISK.close(descriptor)
    return written


def _remove(path: Path) -> None:
    try:
        DISK.remove(path)
    except FileNotFoundError:
        return


def _remove_tree(path: Path) -> None:
    for name in DISK.names(path):
        inner = path / name
        if DISK.is_folder(inner) and not DISK.is_link(inner):
            _remove_tree(inner)
        else:
            _remove(inner)
    DISK.remove_folder(path)


def _flush_name(path: Path) -> None:
    """Flush the name of a folder that exists. Where only others may look into its parent, others have made it."""
    with suppress(PermissionError):
        DISK.flush_folder(path.parent)
