"""The fresh buffer: chunk rows in no segment yet. Every search scans them exactly: a write is found at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from quiredb.domain.changes import ChunkRow
from quiredb.domain.chunk import Chunk
from quiredb.domain.filter_fields import Scope, chunk_values
from quiredb.engine.arrays import GrowingArray
from quiredb.engine.building import SegmentContents, vectors_of
from quiredb.engine.columns import Mask
from quiredb.engine.paged_columns import PagedColumns, Pages, RecordKind

CHUNKS: RecordKind[Chunk] = RecordKind(Scope.CHUNK, chunk_values)


@dataclass(frozen=True, slots=True)
class FreshRows:
    """The buffer at one position. rows: int64[n] ascending; vectors: float32[n, d]; dead: bool[n] or None."""

    rows: NDArray[np.int64]
    document_keys: NDArray[np.int64]
    vectors: NDArray[np.float32]
    chunks: Sequence[Chunk]
    pages: Pages[Chunk]
    dead: Mask | None

    def __len__(self) -> int:
        return len(self.rows)


class FreshBuffer:
    """One writer appends rows and marks the dead; `snapshot` gives readers an immutable prefix.

    `chunks` (without texts and embeddings) is shared with readers: it only grows, and a reader looks no further than
    its own count of rows.
    """

    def __init__(self, dimension: int) -> None:
        self._dimension = dimension
        self._rows = GrowingArray(np.int64)
        self._document_keys = GrowingArray(np.int64)
        self._vectors = GrowingArray(np.float32, dimension)
        self._columns = PagedColumns(CHUNKS)
        self._chunks: list[Chunk] = []
        self._dead = np.zeros(0, np.bool_)

    def extend(self, born: Sequence[ChunkRow]) -> None:
        """Append rows; row numbers grow."""
        if not born:
            return
        bare = [_bare(row.chunk) for row in born]
        self._rows.extend(np.array([row.row for row in born], np.int64))
        self._document_keys.extend(np.array([row.document_key for row in born], np.int64))
        self._vectors.extend(vectors_of(born, self._dimension))
        self._chunks.extend(bare)
        self._columns.extend(bare)
        self._dead = np.concatenate((self._dead, np.zeros(len(born), np.bool_)))

    def kill(self, rows: NDArray[np.int64]) -> None:
        """Mark those of `rows` that are here as dead, in a new mask: published masks never change."""
        mine = self._rows.published()
        at = np.searchsorted(mine, rows)
        at = at[at < len(mine)]
        found = at[np.isin(mine[at], rows)]
        if len(found):
            self._dead = self._dead.copy()
            self._dead[found] = True

    def without(self, high_row: int) -> "FreshBuffer":
        """A new buffer with the rows after `high_row`, which went into a segment."""
        return self._keeping(self._rows.published() > high_row)

    def without_dead(self) -> "FreshBuffer":
        """A new buffer with the living rows."""
        return self._keeping(~self._dead)

    def _keeping(self, keep: Mask) -> "FreshBuffer":
        rest = FreshBuffer(self._dimension)
        rest._rows.extend(self._rows.published()[keep])
        rest._document_keys.extend(self._document_keys.published()[keep])
        rest._vectors.extend(self._vectors.published()[keep])
        rest._chunks = [self._chunks[place] for place in np.flatnonzero(keep).tolist()]
        rest._columns.extend(rest._chunks)
        rest._dead = self._dead[keep]
        return rest

    def snapshot(self) -> FreshRows:
        """The buffer as it is now."""
        return FreshRows(
            rows=self._rows.published(),
            document_keys=self._document_keys.published(),
            vectors=self._vectors.published(),
            chunks=self._chunks,
            pages=self._columns.snapshot(),
            dead=self._dead if self._dead.any() else None,
        )


def _bare(chunk: Chunk) -> Chunk:
    """Without text and embedding; `dataclasses.replace` would take five times as long."""
    return Chunk(
        chunk.id,
        chunk.document_id,
        chunk.position,
        "",
        chunk.metadata,
        chunk.version,
        chunk.created_at,
        chunk.updated_at,
    )


def contents_of(fresh: FreshRows) -> SegmentContents:
    """The living rows of the buffer as the contents of a segment."""
    living = range(len(fresh)) if fresh.dead is None else np.flatnonzero(~fresh.dead).tolist()
    places = sorted(living, key=lambda place: fresh.chunks[place].id)
    block = CHUNKS.block([fresh.chunks[place] for place in places])
    chosen = np.array(places, np.int64)
    return SegmentContents(fresh.rows[chosen], fresh.document_keys[chosen], fresh.vectors[chosen], block)
