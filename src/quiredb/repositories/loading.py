"""From a library's files to a collection: map the segments, read what is in none of them."""

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quiredb.domain.errors import DataDamaged, FormatUnsupported
from quiredb.domain.library import Library
from quiredb.engine.building import Progress, RowRange, build_segment, collect
from quiredb.engine.collection import Collection
from quiredb.engine.documents import DocumentTable
from quiredb.engine.fresh import FreshBuffer
from quiredb.engine.index_choice import IndexPlan
from quiredb.engine.searching import metric_name
from quiredb.engine.segment import Segment, SegmentHeader, open_segment_arrays
from quiredb.storage.library_store import LibraryStore
from quiredb.storage.segment_file import open_segment
from quiredb.storage.segments import SegmentRecord

_log = logging.getLogger(__name__)
_UNWATCHED = Progress(report=lambda _: None, cancelled=lambda: False)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A collection, and the names of segments whose files must be built again."""

    collection: Collection
    damaged: tuple[str, ...]


def load_collection(store: LibraryStore) -> Loaded:
    """Open everything at the store's last position. A segment file that cannot be used is replaced from the store."""
    library = store.library()
    segments, damaged = [], []
    for record in store.segments():
        try:
            segments.append(open_recorded_segment(store, record))
        except (DataDamaged, FormatUnsupported) as error:
            _log.warning("segment %s cannot be used and is rebuilt: %s", record.name, error.detail)
            segments.append(segment_from_store(store, library, record))
            damaged.append(record.name)
    fresh = FreshBuffer(library.dimension)
    for batch in store.live_chunk_rows(store.sealed_row(), None, library.position):
        fresh.extend(batch)
    documents = DocumentTable.of(store.live_document_rows(library.position))
    collection = Collection(library, segments, fresh, documents, store.attribute_kinds())
    graves = [row for row, _ in store.dead_rows()]
    if graves:
        collection.mark_dead(np.array(graves, np.int64))
        collection.republish()
    return Loaded(collection, tuple(damaged))


def open_recorded_segment(store: LibraryStore, record: SegmentRecord) -> Segment:
    """Map a segment's file. Raises `DataDamaged` when it is missing, altered or not what the record says."""
    file = open_segment(store.segment_path(record.name))
    # What leads to other places is checked before it is followed. Wrong numbers elsewhere only answer wrongly, until
    # the whole file is checked in the background.
    file.verify(_leads_elsewhere)
    try:
        header = SegmentHeader.from_json(file.header)
        segment = open_segment_arrays(record.name, header, file.arrays, record.bytes)
    except (KeyError, TypeError, ValueError) as error:
        raise DataDamaged(f"Segment {record.name} has an unknown layout: {error}.") from error
    # Files that were written before names were kept in them have none.
    written_as = file.header.get("name", record.name)
    said = (written_as, header.low_row, header.high_row, header.position)
    if said != (record.name, record.low_row, record.high_row, record.position):
        raise DataDamaged(f"Segment {record.name} is not the one that the library lists.")
    return segment


def _leads_elsewhere(array: NDArray[Any]) -> bool:
    return array.dtype.kind in "iu" and array.dtype.itemsize > 1


def segment_from_store(store: LibraryStore, library: Library, record: SegmentRecord) -> Segment:
    """The rows of a lost segment, scanned exactly until its file is built again."""
    span = RowRange(record.low_row, record.high_row, library.position)
    rows = store.live_chunk_rows(span.low, span.high, span.position)
    contents = collect(rows, library.dimension, _UNWATCHED)
    header, arrays = build_segment(contents, span, metric_name(library.metric), IndexPlan("flat", {}), _UNWATCHED)
    return open_segment_arrays(record.name, header, arrays, 0)
