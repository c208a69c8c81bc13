"""The connections of one database file: one that writes, and a pool of readers."""

import logging
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from quiredb.domain.errors import StorageFailed, StorageFull, Unavailable, WritesStopped
from quiredb.storage.database import (
    BUSY_MILLISECONDS,
    check_whole,
    leave_log,
    merge_log,
    open_database,
    open_reader,
    open_with_its_log,
)
from quiredb.storage.health import DatabaseHealth
from quiredb.storage.write_ahead_log import renew_log_in_place

_log = logging.getLogger(__name__)
_MERGE_BUSY_MILLISECONDS = 20
_LOG_PAGES = 1_000
"""A commit that makes the write-ahead log this long merges it."""


class WriteConnection:
    """The connection that writes. Its callers guarantee that one thread uses it at a time.

    What an earlier process left in the log is written once more and merged before anything is written behind it: that
    process may have failed to flush it, in which case it is read from the operating system's cache and is not on the
    disk. `_log_is_ours` says that this is done, `_log_is_durable` that the first half of it is.
    """

    def __init__(self, path: Path, connection: apsw.Connection, health: DatabaseHealth | None = None) -> None:
        self.path = path
        self.health = health or DatabaseHealth(path)
        self._connection = connection
        self._log_is_ours = True
        self._log_is_durable = True
        self._log_pages = 0
        connection.set_wal_hook(self._note_log)

    @classmethod
    def open(cls, path: Path) -> "WriteConnection":
        """The connection to a file that no other connection has open. `FormatUnsupported` before it is touched."""
        try:
            writer = cls(path, open_database(path))
        except StorageFull as error:
            _log.warning("the log is written once more later: %s", error.detail)
            return cls.open_shared(path)
        return writer._taking_over()

    @classmethod
    def open_shared(cls, path: Path) -> "WriteConnection":
        """The same of a file that other processes may have open: their log cannot be replaced, only written over."""
        writer = cls(path, open_with_its_log(path))
        writer._log_is_durable = False
        return writer._taking_over()

    def _taking_over(self) -> "WriteConnection":
        try:
            self._take_over_log()
        except StorageFull as error:
            self._log_is_ours = False
            _log.warning("the log is merged later, before the next write: %s", error.detail)
        except StorageFailed:
            self.abandon()
            raise
        return self

    @contextmanager
    def transaction(self) -> Iterator[apsw.Connection]:
        """All of the block is committed and on disk, or (after any exception) none of it."""
        self.health.require_writable()
        if not self._log_is_ours:
            self._take_over_log()
        with self.health.watching():
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield self._connection
                self._connection.execute("COMMIT")
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
        if self._log_pages >= _LOG_PAGES:
            self._merge_in_passing()

    @contextmanager
    def plain(self) -> Iterator[apsw.Connection]:
        """The connection outside a transaction, for pragmas and reads."""
        with self.health.watching():
            yield self._connection

    def merge_log(self) -> None:
        """Merge the write-ahead log into the file and empty it, as far as readers allow."""
        self.health.require_writable()
        self._make_log_durable()
        with self.health.watching():
            self._connection.set_busy_timeout(_MERGE_BUSY_MILLISECONDS)
            try:
                merge_log(self._connection)
            except apsw.BusyError:
                self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
            finally:
                self._connection.set_busy_timeout(BUSY_MILLISECONDS)
        self._log_pages = 0

    def close(self) -> None:
        """Close, after which the write-ahead log is merged and gone unless a reader is still open.

        After a flush has failed the log stays: merging it would flush the same file again. One that may not be on the
        disk stays too.
        """
        if self.health.writes_stopped is not None or self.health.damage is not None or not self._log_is_durable:
            self.abandon()
            return
        with self.health.watching():
            self._connection.close()

    def abandon(self) -> None:
        """Close and leave the log to the next start."""
        with self.health.watching():
            leave_log(self._connection)
            self._connection.close()

    def _take_over_log(self) -> None:
        self._make_log_durable()
        with self.health.watching():
            merge_log(self._connection)
            with self._alone():
                check_whole(self.path, self._connection)
        self._log_is_ours = True

    def _make_log_durable(self) -> None:
        """Write the log over itself, while no other process can append to it."""
        if self._log_is_durable:
            return
        with self.health.watching(), self._alone():
            try:
                renew_log_in_place(self.path)
            except StorageFull:
                raise
            except StorageFailed as error:
                raise WritesStopped(f"{error.detail} Nothing more is written there until a restart.") from error
        self._log_is_durable = True

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """No other process can write meanwhile, and this one writes nothing by SQLite."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            self._connection.execute("ROLLBACK")

    def _merge_in_passing(self) -> None:
        """The commit is durable, so it is answered whatever happens here; the log stays as it is then."""
        try:
            with self.health.watching():
                self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        except StorageFailed as error:
            _log.error("the log could not be merged: %s", error.detail)

    def _note_log(self, _connection: apsw.Connection, _name: str, pages: int) -> int:
        self._log_pages = pages
        return apsw.SQLITE_OK


class ReadConnections:
    """Reading connections, each borrowed by one thread at a time; as many exist as were ever borrowed at once."""

    def __init__(self, health: DatabaseHealth) -> None:
        self._health = health
        self._idle: deque[apsw.Connection] = deque()
        self._closed = False

    @contextmanager
    def borrow(self) -> Iterator[apsw.Connection]:
        """A connection for the block. `Unavailable` once closed."""
        if self._closed:
            raise Unavailable(f"{self._health.path} is closed.")
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = open_reader(self._health.path)
        try:
            with self._health.watching():
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
