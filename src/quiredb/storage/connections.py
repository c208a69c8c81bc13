"""The connections of one database file: one that writes, and a pool of readers."""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from quiredb.domain.errors import StorageFailed, Unavailable
from quiredb.storage.database import database_errors, is_damage, open_reader


class WriteConnection:
    """The connection that writes. Its callers guarantee that one thread uses it at a time."""

    def __init__(self, path: Path, connection: apsw.Connection) -> None:
        self.path = path
        self._connection = connection
        self._failure: str | None = None

    @contextmanager
    def transaction(self) -> Iterator[apsw.Connection]:
        """All of the block is committed and on disk, or (after any exception) none of it.

        After the disk failed to write or flush, nobody can tell what it holds: no further write is tried on this
        connection (the operating system may report a later flush of lost pages as a success).
        """
        if self._failure is not None:
            raise StorageFailed(f"{self.path}: writing stopped after the disk failed ({self._failure}); restart Quire.")
        with database_errors(self.path):
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield self._connection
                self._connection.execute("COMMIT")
            except apsw.IOError as error:
                if not is_damage(error):
                    self._failure = str(error)
                raise
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

    @contextmanager
    def plain(self) -> Iterator[apsw.Connection]:
        """The connection outside a transaction, for pragmas."""
        with database_errors(self.path):
            yield self._connection

    def close(self) -> None:
        """Close, after which the write-ahead log is merged and gone unless a reader is still open."""
        with database_errors(self.path):
            self._connection.close()


class ReadConnections:
    """Reading connections, each borrowed by one thread at a time; as many exist as were ever borrowed at once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._idle: deque[apsw.Connection] = deque()
        self._closed = False

    @contextmanager
    def borrow(self) -> Iterator[apsw.Connection]:
        """A connection for the block. `Unavailable` once closed."""
        if self._closed:
            raise Unavailable(f"{self.path} is closed.")
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = open_reader(self.path)
        try:
            with database_errors(self.path):
                yield connection
        finally:
            self._give_back(connection)

    def close(self) -> None:
        """Close all; those in use are closed by their borrowers."""
        self._closed = True
        self._close_idle()

    def _give_back(self, connection: apsw.Connection) -> None:
        self._idle.append(connection)
        if self._closed:
            self._close_idle()

    def _close_idle(self) -> None:
        while self._idle:
            try:
                connection = self._idle.pop()
            except IndexError:
                return
            connection.close()
