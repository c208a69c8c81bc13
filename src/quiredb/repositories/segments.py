"""Making segments: seal the fresh buffer, merge segments, rebuild all of a library's index."""

import os
import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from quiredb.domain.errors import DataDamaged, FormatUnsupported
from quiredb.engine.building import Progress, RowRange, SegmentContents, build_segment, collect
from quiredb.engine.fresh import contents_of
from quiredb.engine.index_choice import plan_segment
from quiredb.engine.merging import SEGMENT_ROWS_MAX, MergeRange
from quiredb.engine.searching import metric_name
from quiredb.engine.segment import Segment
from quiredb.engine.view import SegmentPart, merged_contents
from quiredb.repositories.loading import open_recorded_segment, segment_from_store
from quiredb.repositories.open_library import OpenLibrary
from quiredb.storage.segment_file import open_segment, write_segment
from quiredb.storage.segments import SegmentRecord

_COLLECTING_SHARE = 0.1
_VECTOR_COPIES = 3
_ROW_BYTES = 600


def seal(library: OpenLibrary, progress: Progress) -> None:
    """Turn the fresh rows into a segment. The writer's role is held only for the swap at the end.

    The view is held until then, so that the graves of rows that die meanwhile are kept.
    """
    with library.sealing:
        view = library.view()
        if not len(view.fresh):
            return
        span = RowRange(library.store.sealed_row(), int(view.fresh.rows[-1]), view.position)
        _build_and_swap(library, contents_of(view.fresh), span, (), progress)


def merge(library: OpenLibrary, chosen: MergeRange, progress: Progress, *, anew: bool = False) -> None:
    """Make one segment of several, without their dead. Unless `anew`, lists of an older ivf are kept where they fit.

    Damage must not spread into the new segment under fresh checksums: parts that do not hold are read from the store.
    The view is held, so that rows it sees are not purged meanwhile.
    """
    view = library.view()
    parts = view.segments[chosen.first : chosen.last]
    names = [part.segment.name for part in parts]
    span = RowRange(parts[0].segment.header.low_row, parts[-1].segment.header.high_row, view.position)
    progress.report(0.0)
    if _all_whole(library, names):
        contents = merged_contents(parts)
    else:
        rows = library.store.live_chunk_rows(span.low, span.high, span.position)
        contents = collect(rows, view.library.dimension, progress)
    like = None if anew else _most_of(parts)
    _build_and_swap(library, contents, span, names, progress, like)


def memory_to_merge(library: OpenLibrary, chosen: MergeRange) -> int:
    """About how many bytes a merge of these segments, and one that they are sealed with, takes while it runs."""
    view = library.view()
    rows = sum(part.segment.index.count for part in view.segments[chosen.first : chosen.last]) + len(view.fresh)
    return rows * (_VECTOR_COPIES * 4 * view.library.dimension + _ROW_BYTES)


def rebuild(library: OpenLibrary, progress: Progress) -> None:
    """Seal, then build every segment anew by the library's index specification, as few and large as allowed."""
    seal(library, unwatched(progress.cancelled))
    groups = _groups([len(part.segment) for part in library.view().segments])
    for number, size in enumerate(groups):
        share = _share(progress, number, len(groups))
        merge(library, MergeRange(number, number + size), share, anew=True)


def damaged_segments(library: OpenLibrary, stopping: Callable[[], bool]) -> set[str]:
    """Read every byte of the segment files; the names of those whose checksums do not hold."""
    names = [record.name for record in library.store.segments()]
    return {name for name in names if not (stopping() or _is_whole(library, name))}


def serve_from_store(library: OpenLibrary, names: Collection[str]) -> None:
    """Put the rows of damaged segments in their place, scanned exactly, until their files are built again."""
    view = library.view()
    for record in library.store.segments():
        if record.name in names:
            library.serve_instead(record.name, segment_from_store(library.store, view.library, record))


def _all_whole(library: OpenLibrary, names: Sequence[str]) -> bool:
    return all(_is_whole(library, name) for name in names)


def _is_whole(library: OpenLibrary, name: str) -> bool:
    """Whether a segment's file is there and every checksum holds."""
    try:
        open_segment(library.store.segment_path(name)).verify()
    except (DataDamaged, FormatUnsupported):
        return False
    return True


def _most_of(parts: Sequence[SegmentPart]) -> Segment | None:
    """The segment that holds at least half of the living rows of all."""
    living = [len(part.segment) - part.dead_count for part in parts]
    largest = max(range(len(parts)), key=living.__getitem__)
    return parts[largest].segment if 2 * living[largest] >= sum(living) else None


def _groups(sizes: Sequence[int]) -> list[int]:
    """How many neighbouring segments go together, without passing the largest allowed size."""
    groups: list[int] = []
    rows = SEGMENT_ROWS_MAX
    for size in sizes:
        if groups and rows + size <= SEGMENT_ROWS_MAX:
            groups[-1] += 1
            rows += size
            continue
        groups.append(1)
        rows = size
    return groups


def _share(progress: Progress, number: int, of: int) -> Progress:
    return Progress(lambda done: progress.report((number + done) / of), progress.cancelled)


def _build_and_swap(
    library: OpenLibrary,
    contents: SegmentContents,
    span: RowRange,
    removed: Sequence[str],
    progress: Progress,
    like: Segment | None = None,
) -> None:
    """Build the index, write the file, then swap it for `removed` (and the fresh rows that it covers)."""
    store, facts = library.store, library.view().library
    progress.check()
    plan = plan_segment(facts.index, len(contents.rows))
    building = Progress(
        lambda done: progress.report(_COLLECTING_SHARE + (1 - _COLLECTING_SHARE) * done), progress.cancelled
    )
    header, arrays = build_segment(
        contents, span, metric_name(facts.metric), plan, building, like, library.auditor.hard_queries
    )
    progress.check()
    name = f"{span.low}-{span.high}-{span.position}-{os.urandom(4).hex()}"
    size = write_segment(store.segment_path(name), {**header.as_json(), "name": name}, arrays)
    record = SegmentRecord(name, span.low, span.high, span.position, len(contents.rows), header.index["kind"], size)
    library.replace_segments(removed, record, open_recorded_segment(store, record))
    store.discard_segments(removed)
    progress.report(1.0)


@dataclass(frozen=True, slots=True)
class Stopping:
    """Whether work should end early: the process stops, or the library went away or must not be touched any more."""

    process: threading.Event
    library: OpenLibrary

    def __call__(self) -> bool:
        """True once the work should end."""
        store = self.library.store
        ended = self.process.is_set() or self.library.closed.is_set()
        return ended or store.damage is not None or store.writes_stopped is not None


def watched(library: OpenLibrary, report: Callable[[float], None], cancelled: Callable[[], bool]) -> Progress:
    """Progress that also shows in the library's index state."""

    def both(done: float) -> None:
        library.building = done
        report(done)

    return Progress(both, cancelled)


def unwatched(cancelled: Callable[[], bool]) -> Progress:
    """Progress of work too quick to be shown."""
    return Progress(lambda _: None, cancelled)
