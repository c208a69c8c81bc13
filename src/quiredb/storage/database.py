"""SQLite files as Quire uses them: checksummed pages, write-ahead log, an fsync before each acknowledgement.

The checksum VFS is SQLite's own (https://sqlite.org/cksumvfs.html): 8 reserved bytes at the end of each page hold the
page's checksum, verified whenever a page is read from the file.
"""

import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import apsw
import apsw.sqlite_extra

from quiredb.domain.errors import DataDamaged, FormatUnsupported, StorageFailed, StorageFull, WritesStopped
from quiredb.storage.files import TEMPORARY_SUFFIX, file_bytes, is_file, read_record, remove_file, rename_file
from quiredb.storage.write_ahead_log import check_log, renew_log

VFS_NAME = "cksmvfs"
PAGE_BYTES = 16 * 1024
CHECKSUM_BYTES = 8
_APPLICATION_ID = 0x51756972  # "Quir"
_FORMAT_VERSION = 1
BUSY_MILLISECONDS = 5_000
_WAL_KEPT_BYTES = 64 * 1024 * 1024
_CACHE_KIB = 32 * 1024
_MEMORY_BYTES = 256 * 1024 * 1024
_FLUSH_CODES = {apsw.SQLITE_IOERR_FSYNC, apsw.SQLITE_IOERR_DIR_FSYNC}
_DAMAGE_CODES = {apsw.SQLITE_IOERR_DATA, apsw.SQLITE_IOERR_CORRUPTFS, apsw.SQLITE_IOERR_SHORT_READ}
_FAILURES = (
    apsw.IOError,
    apsw.CantOpenError,
    apsw.ReadOnlyError,
    apsw.PermissionsError,
    apsw.BusyError,
    apsw.LockedError,
    apsw.ProtocolError,
)


def load_checksums() -> None:
    """Register the checksum VFS on top of the VFS that is SQLite's default now. Once registered it stays as it is."""
    connection = apsw.Connection(":memory:")
    apsw.sqlite_extra.load(connection, "cksumvfs")
    connection.close()


load_checksums()
# Page caches of all connections together: near this bound they reuse pages instead of taking more.
apsw.soft_heap_limit(_MEMORY_BYTES)


@contextmanager
def database_errors(path: Path) -> Iterator[None]:
    """Turn SQLite's errors about the disk into `StorageFull`, `DataDamaged`, `WritesStopped` and `StorageFailed`."""
    try:
        yield
    except apsw.FullError as error:
        raise StorageFull(f"No space is left to write {path}; free some and try again.") from error
    except (apsw.CorruptError, apsw.NotADBError) as error:
        raise DataDamaged(f"{path} is damaged ({error}); run `quire check` and restore it from a backup.") from error
    except _FAILURES as error:
        if is_failed_flush(error):
            raise WritesStopped(
                f"{path}: the disk could not flush what was written; nothing more is written there, reads go on. "
                "See to the disk, then restart Quire."
            ) from error
        if is_damage(error):
            raise DataDamaged(
                f"{path}: a page does not match its checksum; run `quire check` and restore it from a backup."
            ) from error
        raise StorageFailed(f"{path}: {error}.") from error


def is_damage(error: apsw.Error) -> bool:
    """Whether an error says that the file does not hold what was written to it."""
    return isinstance(error, apsw.IOError) and getattr(error, "extendedresult", 0) in _DAMAGE_CODES


def is_failed_flush(error: apsw.Error) -> bool:
    """Whether an error says that the disk could not be made to hold what was written."""
    return isinstance(error, apsw.IOError) and getattr(error, "extendedresult", 0) in _FLUSH_CODES


def create_database(path: Path, schema: str, fill: Callable[[apsw.Connection], None]) -> None:
    """Make a database file with the schema and what `fill` writes; it appears complete or not at all."""
    temporary = path.with_name(path.name + TEMPORARY_SUFFIX)
    for suffix in ("", "-wal", "-shm"):
        remove_file(temporary.with_name(temporary.name + suffix))
    with database_errors(path), closing(apsw.Connection(str(temporary), vfs=VFS_NAME)) as connection:
        try:
            _fill(connection, schema, fill)
        except apsw.Error:
            leave_log(connection)
            raise
    rename_file(temporary, path)


def merge_log(connection: apsw.Connection) -> None:
    """Bring the write-ahead log into the file, durably, and empty it. `apsw.BusyError` while somebody reads from it."""
    connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)


def check_whole(path: Path, connection: apsw.Connection) -> None:
    """`DataDamaged` when a file whose log is merged ends within a page: what is missing of it would be read as zeros.

    SQLite does so without a word, and the checksum VFS judges whole pages only. While a log is merged such an end is
    no damage, so the caller keeps everybody from writing.
    """
    if file_bytes(path) % connection.pragma("page_size"):
        raise DataDamaged(f"{path} ends within a page; run `quire check` and restore it from a backup.")


def open_database(path: Path) -> apsw.Connection:
    """The writing connection to an existing file that no other has open. `FormatUnsupported` before it is touched.

    `DataDamaged` when the write-ahead log holds acknowledged commits that cannot be read; `StorageFull` when there is
    no space for the copy of it that is known to be on the disk.
    """
    check_format(path)
    renew_log(path)
    return open_with_its_log(path)


def open_with_its_log(path: Path) -> apsw.Connection:
    """The same with the log as it lies there, which may be in the system's cache only: to be read, and never merged."""
    check_format_beside(path)
    connection = open_beside(path)
    try:
        with database_errors(path):
            check_log(path, connection)
    except BaseException:
        # Only reading left no trace; closing in the usual way would merge what can be read and remove the log.
        leave_log(connection)
        connection.close()
        raise
    return connection


def open_beside(path: Path) -> apsw.Connection:
    """A writing connection to a file that this process may have open already.

    The format is not judged here. `check_format` must not: closing the plainly read file would drop every lock that the
    process has on it, which tell other processes that the database is in use
    (https://sqlite.org/howtocorrupt.html, 2.2).
    """
    with database_errors(path):
        connection = apsw.Connection(str(path), apsw.SQLITE_OPEN_READWRITE, vfs=VFS_NAME)
        try:
            _configure(connection)
        except BaseException:
            leave_log(connection)
            connection.close()
            raise
        return connection


def open_reader(path: Path) -> apsw.Connection:
    """A connection that refuses to write, for one thread at a time."""
    with database_errors(path):
        connection = apsw.Connection(str(path), apsw.SQLITE_OPEN_READWRITE, vfs=VFS_NAME)
        connection.set_busy_timeout(BUSY_MILLISECONDS)
        leave_log(connection)
        connection.pragma("query_only", True)
        connection.pragma("cache_size", -_CACHE_KIB)
        return connection


def leave_log(connection: apsw.Connection) -> None:
    """Let closing the connection not merge the log, even when it is the last one of its file."""
    connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)


def fetch(connection: apsw.Connection, query: str, bindings: Sequence[Any] = ()) -> list[Any]:
    """All rows of a query, each a tuple."""
    return connection.execute(query, tuple(bindings)).fetchall()


def fetch_one(connection: apsw.Connection, query: str, bindings: Sequence[Any] = ()) -> Any:
    """The first row of a query, or None."""
    return connection.execute(query, tuple(bindings)).fetchone()


def check_format(path: Path) -> None:
    """Judge the file by the 100 bytes of its header, read as plain bytes so that nothing is created or recovered."""
    if not is_file(path):
        raise DataDamaged(f"{path} is missing; restore it from a backup.")
    header = read_record(path, 100)
    if len(header) < 100 or not header.startswith(b"SQLite format 3\0"):
        raise DataDamaged(f"{path} is not a database any more; restore it from a backup.")
    (version,) = struct.unpack_from(">I", header, 60)
    (application,) = struct.unpack_from(">I", header, 68)
    _judge_format(path, application, version)


def check_format_beside(path: Path) -> None:
    """Judge a file that this process may have open already; nothing of it is created, recovered or unlocked.

    SQLite keeps the locks of its other connections when it closes a file, which plain reading would drop. An immutable
    file is read as it is, without its log. One that cannot be read so, since it is damaged or being written, passes:
    whoever opens it will see.
    """
    address = f"{path.absolute().as_uri()}?immutable=1"
    try:
        with closing(apsw.Connection(address, apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)) as connection:
            application, version = connection.pragma("application_id"), connection.pragma("user_version")
    except apsw.Error:
        return
    _judge_format(path, application, version)


def _judge_format(path: Path, application: object, version: Any) -> None:
    if application != _APPLICATION_ID:
        raise FormatUnsupported(f"{path} was not written by Quire.")
    if version > _FORMAT_VERSION:
        raise FormatUnsupported(f"{path} has format {version}, this program knows {_FORMAT_VERSION}: upgrade Quire.")


def _fill(connection: apsw.Connection, schema: str, fill: Callable[[apsw.Connection], None]) -> None:
    connection.reserve_bytes(reserve=CHECKSUM_BYTES)
    connection.pragma("page_size", PAGE_BYTES)
    connection.pragma("auto_vacuum", "incremental")
    _configure(connection)
    connection.execute("BEGIN IMMEDIATE")
    connection.pragma("application_id", _APPLICATION_ID)
    connection.pragma("user_version", _FORMAT_VERSION)
    connection.execute(schema)
    fill(connection)
    connection.execute("COMMIT")
    merge_log(connection)


def _configure(connection: apsw.Connection) -> None:
    connection.set_busy_timeout(BUSY_MILLISECONDS)
    if connection.pragma("journal_mode", "wal") != "wal":
        raise StorageFailed(f"{connection.filename}: the disk cannot share memory between readers; use a local disk.")
    connection.pragma("synchronous", "full")
    # Only macOS knows the difference: there an fsync alone stops at the drive's cache.
    connection.pragma("fullfsync", True)
    connection.pragma("checkpoint_fullfsync", True)
    # Quire merges the log itself: SQLite would not say that it could not.
    connection.pragma("wal_autocheckpoint", 0)
    connection.pragma("journal_size_limit", _WAL_KEPT_BYTES)
    connection.pragma("temp_store", "memory")
    connection.pragma("cache_size", -_CACHE_KIB)
