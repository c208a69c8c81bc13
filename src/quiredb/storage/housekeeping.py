"""Giving space back: purge dead versions, pack the pages they leave half empty, return free pages to the disk.

SQLite merges neighbouring pages only when one is two thirds empty, so deleting every second row frees nothing. Purging
therefore counts what it takes from each slice of row numbers (`purged`, of which `packed` before the slice was last
rewritten), and repacking rewrites the slices that lost a quarter of their rows since.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import apsw

from quiredb.storage.connections import WriteConnection
from quiredb.storage.database import fetch
from quiredb.storage.files import file_bytes
from quiredb.storage.found import FoundChunks
from quiredb.storage.reader import row_array
from quiredb.storage.write_ahead_log import log_of

SLICE_ROWS = 1_024
_SLICES_AT_ONCE = 256
_SPARSE_SHARE = 4

_DEAD_CHUNKS = "SELECT row FROM chunks WHERE died <= ? ORDER BY died LIMIT ?"
_DEAD_DOCUMENTS = "SELECT row FROM documents WHERE died <= ? ORDER BY died LIMIT ?"
_FORGET_UNSEALED = """
DELETE FROM graves WHERE row > (SELECT coalesce(max(high_row), 0) FROM segments) AND died <= ?
"""
_COUNT_PURGED = """
INSERT INTO slices (slice, purged) VALUES (?, ?) ON CONFLICT DO UPDATE SET purged = purged + excluded.purged
"""
_SPARSE = """
SELECT slice, ?1 - purged FROM slices WHERE (purged - packed) * ?2 >= ?1 - packed ORDER BY slice LIMIT ?3
"""
_REWRITE_CHUNKS = """
CREATE TEMP TABLE moved AS SELECT * FROM chunks WHERE row >= ?1 AND row < ?2 ORDER BY row;
DELETE FROM chunks WHERE row >= ?1 AND row < ?2;
INSERT INTO chunks SELECT * FROM moved ORDER BY rowid;
DROP TABLE moved;
"""
_REWRITE_TEXTS = """
CREATE TEMP TABLE moved AS SELECT * FROM texts WHERE row >= ?1 AND row < ?2 ORDER BY row;
DELETE FROM texts WHERE row >= ?1 AND row < ?2;
INSERT INTO texts SELECT * FROM moved ORDER BY rowid;
DROP TABLE moved;
"""
_REWRITE_EMBEDDINGS = """
CREATE TEMP TABLE moved AS SELECT * FROM embeddings WHERE row >= ?1 AND row < ?2 ORDER BY row;
DELETE FROM embeddings WHERE row >= ?1 AND row < ?2;
INSERT INTO embeddings SELECT * FROM moved ORDER BY rowid;
DROP TABLE moved;
"""


class Housekeeping:
    """Work on one library's database file; every call is bounded and needs the writer's role."""

    def __init__(self, path: Path, writer: WriteConnection, found: FoundChunks) -> None:
        self._path = path
        self._writer = writer
        self._found = found

    def purge(self, horizon: int, limit: int) -> int:
        """Delete up to `limit` chunk and document versions that died at or before `horizon`; returns how many.

        No view older than `horizon` may be held. Graves of sealed rows stay: a segment file may still hold those rows.
        Of rows that no segment covers they go: one that is being built holds its view, so it knows these deaths.
        """
        with self._writer.transaction() as connection:
            chunk_rows = _dead(connection, _DEAD_CHUNKS, horizon, limit)
            if chunk_rows:
                wanted = row_array(chunk_rows)
                connection.execute("DELETE FROM chunks WHERE row IN (SELECT value FROM carray(?))", (wanted,))
                connection.execute("DELETE FROM texts WHERE row IN (SELECT value FROM carray(?))", (wanted,))
                connection.execute("DELETE FROM embeddings WHERE row IN (SELECT value FROM carray(?))", (wanted,))
                connection.executemany(
                    _COUNT_PURGED,
                    sorted(Counter(row // SLICE_ROWS for row in chunk_rows).items()),
                )
            left = limit - len(chunk_rows)
            document_rows = _dead(connection, _DEAD_DOCUMENTS, horizon, left)
            if document_rows:
                connection.execute(
                    "DELETE FROM documents WHERE row IN (SELECT value FROM carray(?))", (row_array(document_rows),)
                )
            connection.execute(_FORGET_UNSEALED, (horizon,))
        self._found.forget(chunk_rows)
        return len(chunk_rows) + len(document_rows)

    def repack(self, budget_rows: int) -> bool:
        """Rewrite about `budget_rows` rows of sparse slices in row order; True while there is more to do."""
        with self._writer.transaction() as connection:
            sparse = fetch(connection, _SPARSE, (SLICE_ROWS, _SPARSE_SHARE, _SLICES_AT_ONCE))
            chosen = _within(sparse, budget_rows)
            for first, end in _runs(chosen):
                rows = (first * SLICE_ROWS, end * SLICE_ROWS)
                for rewrite in (_REWRITE_CHUNKS, _REWRITE_TEXTS, _REWRITE_EMBEDDINGS):
                    _execute_each(connection, rewrite, rows)
                connection.execute("UPDATE slices SET packed = purged WHERE slice >= ? AND slice < ?", (first, end))
            connection.execute("DELETE FROM slices WHERE purged >= ?", (SLICE_ROWS,))
        return len(chosen) < len(sparse) or len(sparse) == _SLICES_AT_ONCE

    def release_pages(self, limit: int) -> bool:
        """Give up to `limit` free pages back to the disk; True while there are more."""
        with self._writer.transaction() as connection:
            fetch(connection, f"PRAGMA incremental_vacuum({int(limit)})")
        self.checkpoint()
        with self._writer.plain() as connection:
            return bool(connection.pragma("freelist_count"))

    def checkpoint(self) -> None:
        """Merge the write-ahead log into the file and empty it, as far as readers allow."""
        self._writer.merge_log()

    def disk_bytes(self) -> int:
        """Bytes of the database file and its write-ahead log."""
        return sum(map(file_bytes, (self._path, log_of(self._path))))


def _dead(connection: apsw.Connection, query: str, horizon: int, limit: int) -> list[int]:
    return sorted(row for (row,) in fetch(connection, query, (horizon, limit)))


def _within(sparse: Sequence[tuple[int, int]], budget_rows: int) -> list[int]:
    chosen: list[int] = []
    rows = 0
    for number, present in sparse:
        if chosen and rows + present > budget_rows:
            break
        chosen.append(number)
        rows += present
    return chosen


def _runs(numbers: Sequence[int]) -> list[tuple[int, int]]:
    """Runs of consecutive numbers as [first, end)."""
    runs: list[tuple[int, int]] = []
    for number in numbers:
        if runs and runs[-1][1] == number:
            runs[-1] = (runs[-1][0], number + 1)
        else:
            runs.append((number, number + 1))
    return runs


def _execute_each(connection: apsw.Connection, statements: str, rows: tuple[int, int]) -> None:
    for statement in statements.strip().split(";\n"):
        connection.execute(statement, rows if "?" in statement else None)
