"""The documents of a library as filters see them: `doc.` conditions answered by document key."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from quiredb.domain.changes import DocumentRow
from quiredb.domain.document import Document
from quiredb.domain.filter_fields import Scope, document_values
from quiredb.domain.filters import Condition
from quiredb.engine.arrays import GrowingArray
from quiredb.engine.columns import Mask
from quiredb.engine.filtering import condition_mask
from quiredb.engine.paged_columns import PagedColumns, Pages, RecordKind

DOCUMENTS: RecordKind[Document] = RecordKind(Scope.DOCUMENT, document_values)
_PAGES_MAX = 64
_GROWTH = 1.5


@dataclass(frozen=True, slots=True)
class DocumentsView:
    """Document versions up to one position: row i of the pages belongs to keys[i]; of a key, its last row counts."""

    pages: Pages[Document]
    keys: NDArray[np.int64]
    key_bound: int

    def satisfying(self, condition: Condition) -> Mask:
        """By document key: whether its newest version satisfies the condition; bool[key_bound + 1].

        The last place is False: it stands for greater keys, of documents that died before the table was built and
        whose dead chunks may still stand in a segment.
        """
        by_key = np.zeros(self.key_bound + 1, np.bool_)
        start = 0
        for block in self.pages.blocks():
            by_key[self.keys[start : start + block.count]] = condition_mask(condition, block)
            start += block.count
        return by_key


class DocumentTable:
    """All document versions since the table was built. One writer; `snapshot` gives readers an immutable view.

    A key that was deleted keeps its last row: no living chunk refers to it. `worn` tells when the table should be built
    again from the store: when old versions outweigh living ones, or many pages hold much beside what it was built
    with. Growth by a share keeps all rebuilds together proportional to n log n.
    """

    def __init__(self) -> None:
        self._columns = PagedColumns(DOCUMENTS)
        self._keys = GrowingArray(np.int64)
        self._key_bound = 0
        self._built_with = 0

    @classmethod
    def of(cls, batches: Iterable[Sequence[DocumentRow]]) -> "DocumentTable":
        """A table of the living documents, its columns made at once: they take less memory than the documents."""
        table = cls()
        pending: list[DocumentRow] = []
        for batch in batches:
            pending.extend(batch)
        table.extend(pending)
        table.snapshot().pages.blocks()
        table._built_with = len(pending)
        return table

    def extend(self, born: Sequence[DocumentRow]) -> None:
        """Append document versions, oldest first."""
        if not born:
            return
        self._columns.extend([row.document for row in born])
        self._keys.extend(np.array([row.key for row in born], np.int64))
        self._key_bound = max(self._key_bound, max(row.key for row in born) + 1)

    def worn(self, living: int) -> bool:
        """Whether the table should be rebuilt, `living` being the number of documents."""
        versions = len(self._keys.published())
        scattered = len(self._columns.snapshot()) > _PAGES_MAX and versions > _GROWTH * self._built_with
        return scattered or versions > 2 * living + 4096

    def snapshot(self) -> DocumentsView:
        """The table as it is now."""
        return DocumentsView(self._columns.snapshot(), self._keys.published(), self._key_bound)
