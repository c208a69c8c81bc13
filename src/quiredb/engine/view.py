"""A view: everything a search needs, at one position, immutable. Readers take it by one reference and need no lock."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from quiredb.domain.filter_fields import Field
from quiredb.domain.filters import Condition, Filter, check_attribute_kinds
from quiredb.domain.library import Library
from quiredb.domain.metadata import Kind
from quiredb.engine.building import SegmentContents
from quiredb.engine.column_block import ColumnBlock
from quiredb.engine.column_merge import Source, merge_blocks
from quiredb.engine.columns import Mask
from quiredb.engine.documents import DocumentsView
from quiredb.engine.filtering import FilterTarget, Texts, matching_rows
from quiredb.engine.fresh import FreshRows
from quiredb.engine.segment import Segment


@dataclass(frozen=True)
class SegmentPart:
    """A segment and which of its places had died at the view's position (None: none).

    Views share it until another of its rows dies, and with it the mask of those alive.
    """

    segment: Segment
    dead: Mask | None
    dead_count: int

    @cached_property
    def alive(self) -> Mask:
        """The places alive: bool[n], not to be written."""
        alive = np.ones(len(self.segment), np.bool_) if self.dead is None else ~self.dead
        alive.flags.writeable = False
        return alive


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class View:
    """A library at `library.position`. It stays valid as long as somebody holds it."""

    library: Library
    segments: tuple[SegmentPart, ...]
    fresh: FreshRows
    documents: DocumentsView
    attribute_kinds: Mapping[Field, frozenset[Kind]]

    @property
    def position(self) -> int:
        """The position of everything in the view."""
        return self.library.position


@dataclass(frozen=True, slots=True)
class Allowed:
    """Which rows of a view may be found: for each segment and the fresh rows a mask (None: all) and its count."""

    segments: tuple[tuple[Mask | None, int], ...]
    fresh: tuple[Mask | None, int]

    @property
    def count(self) -> int:
        """How many rows in all."""
        return self.fresh[1] + sum(count for _, count in self.segments)


def allowed_rows(view: View, filter_: Filter | None, texts: Texts) -> Allowed:
    """The living rows of the view that match. Raises `ValidationFailed` for a kind that a field never has."""
    if filter_ is None:
        return Allowed(
            tuple(
                (None if part.dead is None else part.alive, len(part.segment) - part.dead_count)
                for part in view.segments
            ),
            _living_fresh(view.fresh),
        )
    check_attribute_kinds(filter_, lambda name: view.attribute_kinds.get(name, frozenset()))
    documents = _document_masks(view.documents)
    segments = []
    for part in view.segments:
        segment = part.segment
        target = FilterTarget(segment.block, segment.rows, segment.document_keys, documents, texts)
        mask = matching_rows(filter_, target, part.alive)
        segments.append((mask, int(np.count_nonzero(mask))))
    mask = _matching_fresh(view.fresh, filter_, documents, texts)
    return Allowed(tuple(segments), (mask, int(np.count_nonzero(mask))))


def _living_fresh(fresh: FreshRows) -> tuple[Mask | None, int]:
    if fresh.dead is None:
        return None, len(fresh)
    return ~fresh.dead, len(fresh) - int(np.count_nonzero(fresh.dead))


def _document_masks(documents: DocumentsView) -> Callable[[Condition], Mask]:
    """Evaluate each condition on documents once for all parts of a search."""
    known: dict[int, Mask] = {}

    def mask(condition: Condition) -> Mask:
        if id(condition) not in known:
            known[id(condition)] = documents.satisfying(condition)
        return known[id(condition)]

    return mask


def _matching_fresh(fresh: FreshRows, filter_: Filter, documents: Callable[[Condition], Mask], texts: Texts) -> Mask:
    alive = np.ones(len(fresh), np.bool_) if fresh.dead is None else ~fresh.dead
    masks = [np.zeros(0, np.bool_)]
    for start, block in _placed(fresh.pages.blocks()):
        span = slice(start, start + block.count)
        target = FilterTarget(block, fresh.rows[span], fresh.document_keys[span], documents, texts)
        masks.append(matching_rows(filter_, target, alive[span]))
    return np.concatenate(masks)


def _placed(blocks: tuple[ColumnBlock, ...]) -> Iterator[tuple[int, ColumnBlock]]:
    start = 0
    for block in blocks:
        yield start, block
        start += block.count


def rows_of(view: View, allowed: Allowed) -> NDArray[np.int64]:
    """The row numbers of all allowed rows, in no order."""
    pieces = [
        part.segment.rows if mask is None else part.segment.rows[mask]
        for part, (mask, _) in zip(view.segments, allowed.segments, strict=True)
    ]
    mask = allowed.fresh[0]
    return np.concatenate([*pieces, view.fresh.rows if mask is None else view.fresh.rows[mask]])


def merged_contents(parts: Sequence[SegmentPart]) -> SegmentContents:
    """The living rows of several segments as the contents of one."""
    places = [np.flatnonzero(part.alive) for part in parts]
    segments = [part.segment for part in parts]
    ids = [segment.ids[place] for segment, some in zip(segments, places, strict=True) for place in some.tolist()]
    order = np.array(sorted(range(len(ids)), key=ids.__getitem__), np.int64)
    pairs = list(zip(segments, places, strict=True))
    return SegmentContents(
        rows=np.concatenate([segment.rows[some] for segment, some in pairs])[order],
        document_keys=np.concatenate([segment.document_keys[some] for segment, some in pairs])[order],
        vectors=np.concatenate([segment.vectors[some] for segment, some in pairs])[order],
        block=merge_blocks([Source(segment.block, some) for segment, some in pairs], order),
    )
