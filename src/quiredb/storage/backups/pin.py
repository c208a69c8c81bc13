"""A database held still while others write to it: one read transaction, and the pages of the file as they are.

While a reader stands on a database whose write-ahead log is empty, SQLite merges nothing into the file
(https://sqlite.org/walformat.html, WAL_READ_LOCK(0)): new commits wait in the log, and the file is the state that the
reader sees. Its pages are read through the connection, so that each is held against its checksum, and because opening
the file a second time would drop the locks that this process has on it when it is closed.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import apsw

from quiredb.domain.errors import DataDamaged, Unavailable
from quiredb.storage.backups.manifest import BLOCK_BYTES
from quiredb.storage.connections import ReadConnections, WriteConnection
from quiredb.storage.database import PAGE_BYTES
from quiredb.storage.health import DatabaseHealth
from quiredb.storage.write_ahead_log import has_log

_STILL_WITHIN_SECONDS = 5.0


@contextmanager
def held_still(path: Path, merge_log: Callable[[], None]) -> Iterator[ReadConnections]:
    """Reading connections of which the first, and so every single borrower, sees one state until the end.

    `merge_log` is that of the file's writing connection, which knows whether the log may be merged at all. Commits go
    on meanwhile, and the log grows by them. Under a load of commits this needs the writer's role at its beginning.
    `Unavailable` when others keep the log from being merged.
    """
    readers = ReadConnections(DatabaseHealth(path))
    try:
        with readers.borrow() as connection:
            _stand_still(path, connection, merge_log)
        yield readers
    finally:
        readers.close()


@contextmanager
def held_still_alone(path: Path) -> Iterator[ReadConnections]:
    """The same of a file that nobody has open; what an earlier process left in its log is taken over first."""
    with closing(WriteConnection.open(path)) as writer, held_still(path, writer.merge_log) as readers:
        yield readers


def file_blocks(path: Path, readers: ReadConnections) -> Iterator[bytes]:
    """The database file that a `held_still` connection sees, in blocks; `DataDamaged` for a page that has changed."""
    with readers.borrow() as connection:
        pages = connection.pragma("page_count")
    assert isinstance(pages, int)
    for start in range(0, pages * PAGE_BYTES, BLOCK_BYTES):
        end = min(start + BLOCK_BYTES, pages * PAGE_BYTES)
        with readers.borrow() as connection:
            yield b"".join(_page(path, connection, offset) for offset in range(start, end, PAGE_BYTES))


def _stand_still(path: Path, connection: apsw.Connection, merge_log: Callable[[], None]) -> None:
    deadline = time.monotonic() + _STILL_WITHIN_SECONDS
    while not _begin_on_empty_log(path, connection):
        if time.monotonic() > deadline:
            raise Unavailable(f"{path} does not come to rest, another backup may be reading it; try again later.")
        merge_log()


def _begin_on_empty_log(path: Path, connection: apsw.Connection) -> bool:
    """Begin to read, and see that the log was empty then: it cannot have been emptied since, as it is being read."""
    connection.execute("BEGIN")
    connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
    if not has_log(path):
        return True
    connection.execute("ROLLBACK")
    return False


def _page(path: Path, connection: apsw.Connection, offset: int) -> bytes:
    complete, page = connection.read("main", 0, offset, PAGE_BYTES)
    if not complete:
        raise DataDamaged(f"{path} ends before its last page; run `quire check` and restore it from a backup.")
    return page
