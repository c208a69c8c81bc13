"""One library on disk: its database, its segment files, and everything that is asked of them."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from quiredb.domain.changes import ChunkRow, DocumentRow
from quiredb.domain.chunk import Chunk, Embedding
from quiredb.domain.commands import Command, CreateLibrary
from quiredb.domain.document import Document
from quiredb.domain.errors import DataDamaged, QuireError, StorageFailed, WritesStopped
from quiredb.domain.filter_fields import Field
from quiredb.domain.library import Library
from quiredb.domain.metadata import Kind
from quiredb.domain.search import FoundChunk, Include
from quiredb.storage.commands import Applied, apply_command
from quiredb.storage.connections import ReadConnections, WriteConnection
from quiredb.storage.database import create_database
from quiredb.storage.files import make_folder
from quiredb.storage.found import FoundChunks
from quiredb.storage.housekeeping import Housekeeping
from quiredb.storage.reader import LibraryReader
from quiredb.storage.scans import LibraryScans
from quiredb.storage.schema import LIBRARY
from quiredb.storage.segments import SegmentRecord, Segments
from quiredb.storage.state import LibraryState, first_state, load_state, save_state

__all__ = ["Applied", "LibraryStore", "SegmentRecord"]

DATABASE_NAME = "library.sqlite"


class LibraryStore:
    """A library's record. Any number of threads may read; callers guarantee one writer at a time.

    The writer's methods are `write`, `reload_state`, `swap_segments`, `purge`, `repack`, `release_pages`, `checkpoint`.
    """

    def __init__(self, folder: Path, writer: WriteConnection, state: LibraryState) -> None:
        path = folder / DATABASE_NAME
        self._state = state
        self._writer = writer
        self._readers = ReadConnections(writer.health)
        self._reader = LibraryReader(self._readers)
        self._found = FoundChunks(self._readers)
        self._scans = LibraryScans(self._readers)
        self._segments = Segments(folder, writer, self._readers)
        self._housekeeping = Housekeeping(path, writer, self._found)

    @classmethod
    def create(cls, folder: Path, command: CreateLibrary) -> "LibraryStore":
        """Make an empty library in a new folder."""
        make_folder(folder)
        state = first_state(command)
        create_database(folder / DATABASE_NAME, LIBRARY, lambda connection: save_state(connection, state))
        return cls.open(folder)

    @classmethod
    def open(cls, folder: Path) -> "LibraryStore":
        """Open a library; `FormatUnsupported`, `DataDamaged` and `StorageFailed` say why it cannot be."""
        writer = WriteConnection.open(folder / DATABASE_NAME)
        try:
            with writer.plain() as connection:
                state = load_state(connection)
            return cls(folder, writer, state)
        except StorageFailed:
            writer.abandon()
            raise

    def close(self) -> None:
        """Close all connections. Reads that come later raise `Unavailable`."""
        self._readers.close()
        self._writer.close()

    @property
    def damage(self) -> DataDamaged | None:
        """The first proof since it was opened that the database does not hold what was written to it."""
        return self._writer.health.damage

    @property
    def writes_stopped(self) -> WritesStopped | None:
        """Why nothing is written any more, though reads go on."""
        return self._writer.health.writes_stopped

    def stop_writes(self, error: WritesStopped) -> None:
        """Be read only until opened anew, for a flush failed on which the library depends."""
        self._writer.health.writes_stopped = error

    def library(self) -> Library:
        """The library as of the last commit."""
        return self._state.library

    def attribute_kinds(self) -> Mapping[Field, frozenset[Kind]]:
        """The kinds that each attribute ever had, as of the last commit."""
        return self._state.kinds

    def write(self, commands: Sequence[Command]) -> list[Applied | QuireError]:
        """Apply commands in order, in one transaction with one fsync; a refused one takes no position.

        Raises `StorageFull` or `StorageFailed` when the commit fails; then none of the commands happened.
        """
        state = self._state
        results: list[Applied | QuireError] = []
        with self._writer.transaction() as connection:
            for command in commands:
                try:
                    state, applied = apply_command(connection, state, command)
                except StorageFailed:
                    raise
                except QuireError as refusal:
                    results.append(refusal)
                else:
                    results.append(applied)
            if state is not self._state:
                save_state(connection, state)
        self._state = state
        return results

    def reload_state(self) -> None:
        """Read the state of the last commit again: a `write` that was interrupted may not have noted it."""
        with self._writer.plain() as connection:
            self._state = load_state(connection)

    def chunk(self, chunk_id: str, position: int, with_embedding: bool = False) -> Chunk | None:
        """The chunk as it is at the position, or None."""
        return self._reader.chunk(chunk_id, position, with_embedding)

    def document(self, document_id: str, position: int) -> Document | None:
        """The document as it is at the position, or None."""
        return self._reader.document(document_id, position)

    def document_chunks(
        self,
        document_id: str,
        position: int,
        after: tuple[int, str] | None,
        limit: int,
        with_embedding: bool = False,
    ) -> list[Chunk]:
        """The document's chunks by (position, id), those after the key `after`, at most `limit`."""
        return self._reader.document_chunks(document_id, position, after, limit, with_embedding)

    def documents(self, position: int, after: str | None, limit: int) -> list[Document]:
        """Documents by id, those after the id `after`, at most `limit`."""
        return self._reader.documents(position, after, limit)

    def chunks_by_row(self, rows: Sequence[int], with_embedding: bool = False) -> dict[int, Chunk]:
        """The versions of chunks that have these rows; purged rows are missing."""
        return self._reader.chunks_by_row(rows, with_embedding)

    def found(self, rows: Sequence[int], include: frozenset[Include]) -> dict[int, FoundChunk]:
        """What a search shows of these rows; purged rows may be missing."""
        return self._found.found(rows, include)

    def found_vectors(self, rows: Sequence[int]) -> dict[int, Embedding]:
        """The embeddings of these rows; purged rows are missing."""
        return self._found.vectors(rows)

    def found_bytes(self) -> int:
        """Bytes of memory that keep what searches found, to show it again."""
        return self._found.nbytes

    def documents_by_key(self, keys: Sequence[int], position: int) -> dict[int, Document]:
        """The documents that have these keys and exist at the position."""
        return self._reader.documents_by_key(keys, position)

    def texts(self, rows: Sequence[int]) -> Iterator[tuple[int, str]]:
        """(row, text) of these rows, in their order; purged rows are missing."""
        return self._reader.texts(rows)

    def versions(self, rows: Sequence[int]) -> Iterator[tuple[str, int]]:
        """(chunk id, version) of these rows, in their order; purged rows are missing."""
        return self._reader.versions(rows)

    def live_chunk_rows(self, after_row: int, up_to_row: int | None, position: int) -> Iterator[list[ChunkRow]]:
        """Chunks alive at the position with after_row < row <= up_to_row (None: all), by row, with embeddings."""
        return self._scans.live_chunk_rows(after_row, up_to_row, position)

    def live_document_rows(self, position: int) -> Iterator[list[DocumentRow]]:
        """Documents alive at the position, by row."""
        return self._scans.live_document_rows(position)

    def dead_rows(self) -> list[tuple[int, int]]:
        """(row, died) of every chunk row that died and may still stand in a segment file."""
        return self._scans.dead_rows()

    def deaths_since(self, after_row: int, up_to_row: int, position: int) -> list[int]:
        """The rows with after_row < row <= up_to_row that died after the position, of those that have a grave."""
        return self._scans.deaths_since(after_row, up_to_row, position)

    def digest(self, position: int) -> str:
        """A digest of all documents and chunks at the position: the same on every node that holds the same state."""
        return self._scans.digest(position)

    def segments(self) -> list[SegmentRecord]:
        """The live segments by rows."""
        return self._segments.records()

    def sealed_row(self) -> int:
        """The greatest row that a segment covers, 0 when there is none."""
        return self._segments.sealed_row()

    def segment_path(self, name: str) -> Path:
        """Where the segment file of that name is or belongs."""
        return self._segments.path(name)

    def swap_segments(self, remove: Sequence[str], add: Sequence[SegmentRecord]) -> None:
        """Replace segments, and forget the graves that the new ones already know."""
        self._segments.swap(remove, add)

    def discard_segments(self, names: Sequence[str]) -> None:
        """Remove the files of segments that were replaced."""
        self._segments.discard(names)

    def remove_unlisted_segments(self) -> list[str]:
        """Remove the segment files that no record names; returns their names."""
        return self._segments.remove_unlisted()

    def purge(self, horizon: int, limit: int) -> int:
        """Delete up to `limit` chunk and document versions that died at or before `horizon`; returns how many."""
        return self._housekeeping.purge(horizon, limit)

    def has_dead_versions(self) -> bool:
        """Whether versions wait to be purged."""
        return self._scans.has_dead_versions()

    def repack(self, budget_rows: int) -> bool:
        """Rewrite about `budget_rows` rows where pages are sparse; True while there is more to do."""
        return self._housekeeping.repack(budget_rows)

    def release_pages(self, limit: int) -> bool:
        """Give up to `limit` free pages back to the disk; True while there are more."""
        return self._housekeeping.release_pages(limit)

    def checkpoint(self) -> None:
        """Merge the write-ahead log into the file and empty it, as far as readers allow."""
        self._housekeeping.checkpoint()

    def disk_bytes(self) -> int:
        """Bytes of the database file and its write-ahead log."""
        return self._housekeeping.disk_bytes()

    def free_bytes(self) -> int:
        """Bytes of database pages that hold nothing."""
        return self._scans.free_bytes()
