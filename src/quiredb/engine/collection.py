"""A library in memory: one writer applies changes and publishes the next view by one reference assignment.

The owner (repositories/) guarantees that writer methods are called by one thread at a time. `view` may be read by any
thread.
"""

import weakref
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from quiredb.domain.changes import Change, DocumentRow
from quiredb.domain.filter_fields import Field
from quiredb.domain.library import Library
from quiredb.domain.metadata import Kind
from quiredb.engine.columns import Mask
from quiredb.engine.documents import DocumentTable
from quiredb.engine.fresh import FreshBuffer
from quiredb.engine.merging import SegmentSize, is_worn
from quiredb.engine.segment import Segment
from quiredb.engine.view import SegmentPart, View


class Collection:
    """Writer side of a library: segments with their dead, the fresh buffer, the documents."""

    def __init__(
        self,
        library: Library,
        segments: Sequence[Segment],
        fresh: FreshBuffer,
        documents: DocumentTable,
        attribute_kinds: Mapping[Field, frozenset[Kind]],
    ) -> None:
        self._parts = [SegmentPart(segment, None, 0) for segment in segments]
        self._fresh = fresh
        self._documents = documents
        self._documents_since: list[DocumentRow] | None = None
        self._kinds = dict(attribute_kinds)
        self._held: weakref.WeakSet[View] = weakref.WeakSet()
        self.view = self._publish(library)

    def apply(self, changes: Sequence[Change]) -> None:
        """Take in committed changes, in order, and publish one view for all of them."""
        if not changes:
            return
        for change in changes:
            self._fresh.extend(change.chunks_born)
            self._documents.extend(change.documents_born)
            if self._documents_since is not None:
                self._documents_since.extend(change.documents_born)
            if change.attribute_kinds:
                self._kinds = _with_kinds(self._kinds, change.attribute_kinds)
        died = [row for change in changes for row in change.chunks_died]
        if died:
            self.mark_dead(np.array(died, np.int64))
        self.view = self._publish(changes[-1].library)

    def mark_dead(self, rows: NDArray[np.int64]) -> None:
        """Bury rows wherever they are. Visible with the next view."""
        self._fresh.kill(rows)
        self._parts = [_with_dead(part, part.segment.places_of(rows)) for part in self._parts]

    def republish(self) -> None:
        """Publish the state as it is, at the same position."""
        self.view = self._publish(self.view.library)

    def replace_segments(self, removed: Iterable[str], added: Segment, died: NDArray[np.int64]) -> None:
        """Swap segments and the fresh rows that `added` covers for `added`, and publish.

        died: the rows that died since `added` was built, int64[n]; rows that it does not hold are passed over.
        """
        gone = set(removed)
        part = _with_dead(SegmentPart(added, None, 0), added.places_of(died))
        kept = [part for part in self._parts if part.segment.name not in gone]
        self._parts = sorted([*kept, part], key=lambda one: one.segment.header.low_row)
        fresh = self._fresh.snapshot().rows
        if len(fresh) and int(fresh[0]) <= added.header.high_row:
            self._fresh = self._fresh.without(added.header.high_row)
        self.republish()

    def take_over(self, loaded: "Collection") -> None:
        """Become what was loaded from the store, and publish. Views of before still count for the horizon.

        A document table that is being built is given up: it may lack changes.
        """
        self._parts, self._fresh = loaded._parts, loaded._fresh
        self._documents, self._documents_since = loaded._documents, None
        self._kinds = loaded._kinds
        self.view = self._publish(loaded.view.library)

    def sweep_fresh(self) -> None:
        """Drop dead rows from the fresh buffer, when they are many, and publish."""
        fresh = self.view.fresh
        if fresh.dead is not None and is_worn(len(fresh), int(np.count_nonzero(fresh.dead))):
            self._fresh = self._fresh.without_dead()
            self.republish()

    def documents_worn(self) -> bool:
        """Whether the document table should be rebuilt from the store."""
        return self._documents.worn(self.view.library.document_count)

    def begin_documents(self) -> None:
        """Remember document changes from now on, while a new table is built from the store at the current position."""
        self._documents_since = []

    def replace_documents(self, table: DocumentTable) -> None:
        """Take the new table, brought up to date with what was remembered, unless it was given up."""
        if self._documents_since is None:
            return
        table.extend(self._documents_since)
        self._documents, self._documents_since = table, None
        self.republish()

    def sizes(self) -> list[SegmentSize]:
        """Rows and dead rows of each segment, oldest first."""
        return [SegmentSize(len(part.segment), part.dead_count) for part in self._parts]

    def horizon(self) -> int:
        """The oldest position that anybody still reads: rows that died at or before it can be purged."""
        return min((view.position for view in list(self._held)), default=self.view.position)

    def _publish(self, library: Library) -> View:
        view = View(library, tuple(self._parts), self._fresh.snapshot(), self._documents.snapshot(), self._kinds)
        self._held.add(view)
        return view


def _with_dead(part: SegmentPart, places: NDArray[np.int64]) -> SegmentPart:
    """The part with more places dead, in a new mask: published masks never change."""
    if not len(places):
        return part
    dead: Mask = np.zeros(len(part.segment), np.bool_) if part.dead is None else part.dead.copy()
    dead[places] = True
    return SegmentPart(part.segment, dead, int(np.count_nonzero(dead)))


def _with_kinds(
    kinds: Mapping[Field, frozenset[Kind]], added: Iterable[tuple[Field, Kind]]
) -> dict[Field, frozenset[Kind]]:
    merged = dict(kinds)
    for name, kind in added:
        merged[name] = merged.get(name, frozenset()) | {kind}
    return merged
