"""Bugs in how a library is kept."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple
from pathlib import Path
from typing import Any

import apsw

from quiredb.domain.changes import ChunkRow
from quiredb.domain.commands import Expectation
from quiredb.storage import commands, database, disk, rows
from quiredb.storage.connections import WriteConnection
from quiredb.storage.database import database_errors
from quiredb.storage.library_store import DATABASE_NAME
from quiredb.storage.segment_file import SegmentFile
from quiredb.storage.segments import SegmentRecord, Segments

_COMMITS_AT_ONCE = 10


def acknowledge_before_commit() -> None:
    """Ten transactions of a library are committed as one; all of them are answered at once."""
    begun: dict[int, int] = {}
    honest = WriteConnection.transaction

    @contextmanager
    def transaction(self: Any) -> Iterator[apsw.Connection]:
        if self.path.name != DATABASE_NAME:
            with honest(self) as connection:
                yield connection
            return
        with database_errors(self.path):
            if not self._connection.in_transaction:
                self._connection.execute("BEGIN IMMEDIATE")
            yield self._connection
            begun[id(self)] = begun.get(id(self), 0) + 1
            if begun[id(self)] % _COMMITS_AT_ONCE == 0:
                self._connection.execute("COMMIT")

    WriteConnection.transaction = transaction


def tear_batches() -> None:
    """Half of a command's chunks are committed before the rest is written."""
    insert = rows._insert_chunks

    def torn(connection: apsw.Connection, inserted: tuple[ChunkRow, ...]) -> None:
        middle = len(inserted) // 2
        insert(connection, inserted[:middle])
        if middle:
            connection.execute("COMMIT")
            connection.execute("BEGIN IMMEDIATE")
        insert(connection, inserted[middle:])

    rows._insert_chunks = torn


def forget_graves() -> None:
    """Deaths are not noted for segments: what died is alive in them after the next start."""

    def bury(connection: apsw.Connection, died: tuple[int, ...], position: int) -> None:
        for row in died:
            connection.execute("UPDATE chunks SET died = ? WHERE row = ?", (position, row))

    rows._bury_chunks = bury


def forget_deaths_of_new_segments() -> None:
    """A segment counts as newer than it is: deaths since it was built are forgotten when it is swapped in."""

    def swap(self: Any, remove: Sequence[str], add: Sequence[SegmentRecord]) -> None:
        with self._writer.transaction() as connection:
            connection.executemany("DELETE FROM segments WHERE name = ?", ((name,) for name in remove))
            connection.executemany("INSERT INTO segments VALUES (?, ?, ?, ?, ?, ?, ?)", (astuple(one) for one in add))
            connection.executemany(
                "DELETE FROM graves WHERE row > ? AND row <= ?", ((one.low_row, one.high_row) for one in add)
            )

    Segments.swap = swap


def skip_lock() -> None:
    """Two processes may have one folder."""

    class Unlocked:
        LOCK_EX, LOCK_NB = fcntl.LOCK_EX, fcntl.LOCK_NB

        @staticmethod
        def flock(descriptor: int, how: int) -> None:
            return None

    disk.fcntl = Unlocked


def ignore_conditions() -> None:
    """What a write expects of its target is not looked at."""

    def expect(expected: Expectation, version: int | None, kind: str, identifier: str) -> None:
        return None

    commands._expect = expect


def skip_page_checksums() -> None:
    """Pages of databases are not compared with their checksums."""

    def unverified(connection: apsw.Connection) -> None:
        connection.pragma("checksum_verification", False)

    apsw.connection_hooks.append(unverified)


def skip_segment_checksums() -> None:
    """Arrays of segment files are not compared with their checksums."""

    def verify(self: SegmentFile, concerns: object = None) -> None:
        return None

    SegmentFile.verify = verify


def trust_log_prefix() -> None:
    """A write-ahead log ends where SQLite can read no further, whatever follows."""

    def check(path: Path, connection: apsw.Connection) -> None:
        return None

    database.check_log = check


def forget_answers() -> None:
    """Answers to requests with an idempotency key are not kept."""

    def keep(connection: apsw.Connection, token: object, at: object, receipt: object) -> None:
        return None

    commands.keep_receipt = keep
