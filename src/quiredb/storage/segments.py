"""The list of live segment files: a table, so that swapping segments is a transaction."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from itertools import pairwise
from pathlib import Path

from quiredb.storage.connections import ReadConnections, WriteConnection
from quiredb.storage.database import fetch
from quiredb.storage.files import folder_names, is_file, make_folder, remove_file

SEGMENTS_NAME = "segments"


@dataclass(frozen=True, slots=True)
class SegmentRecord:
    """One live segment: it holds the rows low_row < row <= high_row that were alive at `position`."""

    name: str
    low_row: int
    high_row: int
    position: int
    row_count: int
    kind: str
    bytes: int


class Segments:
    """The segment files of one library."""

    def __init__(self, folder: Path, writer: WriteConnection, readers: ReadConnections) -> None:
        self._folder = folder / SEGMENTS_NAME
        self._writer = writer
        self._readers = readers
        make_folder(self._folder)

    def path(self, name: str) -> Path:
        """Where the file of that name is or belongs."""
        return self._folder / name

    def records(self) -> list[SegmentRecord]:
        """The live segments by rows."""
        with self._readers.borrow() as connection:
            found = fetch(
                connection,
                "SELECT name, low_row, high_row, position, row_count, kind, bytes FROM segments ORDER BY low_row",
            )
        return [SegmentRecord(*row) for row in found]

    def sealed_row(self) -> int:
        """The greatest row that a segment covers, 0 when there is none."""
        return max((record.high_row for record in self.records()), default=0)

    def swap(self, remove: Sequence[str], add: Sequence[SegmentRecord]) -> None:
        """Replace segments, and forget the graves that the new ones already know.

        Files of removed segments stay until `discard` or `remove_unlisted`.
        """
        with self._writer.transaction() as connection:
            connection.executemany("DELETE FROM segments WHERE name = ?", ((name,) for name in remove))
            connection.executemany("INSERT INTO segments VALUES (?, ?, ?, ?, ?, ?, ?)", (astuple(one) for one in add))
            ranges = fetch(connection, "SELECT low_row, high_row FROM segments ORDER BY low_row")
            if any(low < before for (_, before), (low, _) in pairwise(ranges)):
                raise ValueError("Segments may not share rows.")
            connection.executemany(
                "DELETE FROM graves WHERE row > ? AND row <= ? AND died <= ?",
                ((one.low_row, one.high_row, one.position) for one in add),
            )

    def discard(self, names: Sequence[str]) -> None:
        """Remove the files of replaced segments. Who has one mapped keeps its content."""
        listed = {record.name for record in self.records()}
        for name in names:
            if name not in listed:
                remove_file(self.path(name))

    def unlisted(self) -> list[str]:
        """Names of files that no record names: replaced, or never finished."""
        listed = {record.name for record in self.records()}
        return [name for name in folder_names(self._folder) if name not in listed and is_file(self._folder / name)]

    def remove_unlisted(self) -> list[str]:
        """Remove the files that no record names; returns their names."""
        removed = self.unlisted()
        for name in removed:
            remove_file(self._folder / name)
        return removed
