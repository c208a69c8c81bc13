"""Making segments: seal the fresh buffer, merge segments, rebuild all of a library's index."""

import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from quiredb.domain.errors import DataDamaged, FormatUnsupported
from quiredb.engine.building import Progress, RowRange, build_segment, collect
from quiredb.engine.index_choice import plan_segment
from quiredb.engine.merging import SEGMENT_ROWS_MAX, MergeRange
from quiredb.engine.searching import metric_name
from quiredb.engine.view import View
from quiredb.repositories.loading import open_recorded_segment
from quiredb.repositories.open_library import OpenLibrary
from quiredb.storage.segment_file import open_segment, write_segment
from quiredb.storage.segments import SegmentRecord

_COLLECTING_SHARE = 0.1


def seal(library: OpenLibrary, progress: Progress) -> None:
    """Turn the fresh rows into a segment. The writer's role is held only for the swap at the end."""
    with library.sealing:
        view = library.view()
        if not len(view.fresh):
            return
        span = RowRange(library.store.sealed_row(), int(view.fresh.rows[-1]), view.position)
        _build_and_swap(library, view, span, (), progress)


def merge(library: OpenLibrary, chosen: MergeRange, progress: Progress) -> None:
    """Make one segment of several, without their dead."""
    view = library.view()
    parts = view.segments[chosen.first : chosen.last]
    span = RowRange(parts[0].segment.header.low_row, parts[-1].segment.header.high_row, view.position)
    _build_and_swap(library, view, span, [part.segment.name for part in parts], progress)


def rebuild(library: OpenLibrary, progress: Progress) -> None:
    """Seal, then build every segment anew by the library's index specification, as few and large as allowed."""
    seal(library, unwatched(progress.cancelled))
    groups = _groups([len(part.segment) for part in library.view().segments])
    for number, size in enumerate(groups):
        share = _share(progress, number, len(groups))
        merge(library, MergeRange(number, number + size), share)


def damaged_segments(library: OpenLibrary, stopping: Callable[[], bool]) -> set[str]:
    """Read every byte of the segment files; the names of those whose checksums do not hold."""
    damaged = set()
    for record in library.store.segments():
        if stopping():
            break
        try:
            open_segment(library.store.segment_path(record.name)).verify()
        except (DataDamaged, FormatUnsupported):
            damaged.add(record.name)
    return damaged


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
    library: OpenLibrary, view: View, span: RowRange, removed: Sequence[str], progress: Progress
) -> None:
    """Build from the rows that `view` sees (it is held, so they are not purged meanwhile), write the file, swap."""
    store = library.store
    progress.report(0.0)
    contents = collect(store.live_chunk_rows(span.low, span.high, span.position), view.library.dimension, progress)
    plan = plan_segment(library.view().library.index, len(contents.rows))
    building = Progress(
        lambda done: progress.report(_COLLECTING_SHARE + (1 - _COLLECTING_SHARE) * done), progress.cancelled
    )
    header, arrays = build_segment(contents, span, metric_name(view.library.metric), plan, building)
    name = f"{span.low}-{span.high}-{span.position}-{os.urandom(4).hex()}"
    size = write_segment(store.segment_path(name), header.as_json(), arrays)
    record = SegmentRecord(name, span.low, span.high, span.position, len(contents.rows), header.kind, size)
    segment = open_recorded_segment(store, record)
    with library.exclusively():
        store.swap_segments(removed, [record])
        library.collection.replace_segments(removed, segment)
    store.discard_segments(removed)
    progress.report(1.0)


@dataclass(frozen=True, slots=True)
class Stopping:
    """Whether work should end early: the process stops, or the library went away."""

    process: threading.Event
    library: OpenLibrary

    def __call__(self) -> bool:
        """True once the work should end."""
        return self.process.is_set() or self.library.closed.is_set()


def watched(library: OpenLibrary, report: Callable[[float], None], cancelled: Callable[[], bool]) -> Progress:
    """Progress that also shows in the library's index state."""

    def both(done: float) -> None:
        library.building = done
        report(done)

    return Progress(both, cancelled)


def unwatched(cancelled: Callable[[], bool]) -> Progress:
    """Progress of work too quick to be shown."""
    return Progress(lambda _: None, cancelled)
