"""Bugs in how data reach the disk, and in what is believed of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from quiredb.storage import connections, database, files
from quiredb.storage.connections import WriteConnection
from quiredb.storage.health import DatabaseHealth


def skip_fsync() -> None:
    """Commits are answered before they are flushed."""
    _on_each_connection(lambda connection: connection.pragma("synchronous", "off"))


def retry_failed_fsync() -> None:
    """After a failed flush writing goes on with the same handle, which then flushes with success."""
    DatabaseHealth.require_writable = lambda self: None


def trust_cached_log() -> None:
    """What an earlier process left in the log is built upon as if it were on the disk."""
    database.renew_log = lambda path: None
    WriteConnection._take_over_log = lambda self: None


def skip_folder_flush() -> None:
    """The names of new files and folders are not flushed."""
    files.flush_folder = lambda path: None


def torn_group() -> None:
    """A group of commands is written without a transaction."""
    WriteConnection.transaction = _statement_by_statement


def _on_each_connection(change: Callable[[apsw.Connection], object]) -> None:
    configure, open_reader = database._configure, connections.open_reader

    def configured(connection: apsw.Connection) -> None:
        configure(connection)
        change(connection)

    def opened(path: Path) -> apsw.Connection:
        connection = open_reader(path)
        change(connection)
        return connection

    database._configure, connections.open_reader = configured, opened


@contextmanager
def _statement_by_statement(self: WriteConnection) -> Iterator[apsw.Connection]:
    yield self._connection
