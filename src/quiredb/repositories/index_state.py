"""What a library's index and storage look like now."""

from quiredb.domain.indexing import IndexState, LibraryStats, SegmentState
from quiredb.domain.operating import StoredBytes
from quiredb.engine.index_choice import explain_choice
from quiredb.engine.merging import SEAL_ROWS
from quiredb.engine.view import View
from quiredb.repositories.housekeeping import Housekeeping
from quiredb.repositories.open_library import OpenLibrary

_ROW_OVERHEAD_BYTES = 200


def describe_index(library: OpenLibrary, housekeeping: Housekeeping) -> IndexState:
    """The index as it serves searches now."""
    view = library.view()
    spec = view.library.index
    building = housekeeping.is_building(library)
    largest = max((part.segment.index for part in view.segments), key=lambda index: index.count, default=None)
    return IndexState(
        spec=spec,
        building=building,
        progress=_progress(library, view) if building else 1.0,
        segments=tuple(
            SegmentState(
                name=part.segment.name,
                kind=part.segment.index.kind,
                rows=len(part.segment),
                dead=part.dead_count,
                bytes=part.segment.file_bytes,
            )
            for part in view.segments
        ),
        fresh_rows=len(view.fresh),
        reason=explain_choice(spec, largest),
    )


def _progress(library: OpenLibrary, view: View) -> float:
    """The running build's own progress; before it starts, the share of rows that are sealed."""
    if library.building is not None:
        return round(library.building, 3)
    waiting = max(len(view.fresh) - SEAL_ROWS, 0)
    return round(1 - waiting / max(view.library.chunk_count, 1), 3)


def stored_bytes(library: OpenLibrary, view: View) -> StoredBytes:
    """Live bytes are what the living chunks need on disk; dead bytes wait to be given back."""
    disk = library.store.disk_bytes() + sum(part.segment.file_bytes for part in view.segments)
    dead = library.store.free_bytes() + sum(
        part.segment.file_bytes * part.dead_count // max(len(part.segment), 1) for part in view.segments
    )
    return StoredBytes(
        live=max(disk - dead, 0),
        dead=dead,
        hot=sum(part.segment.index.nbytes["hot"] for part in view.segments),
        cold=sum(part.segment.index.nbytes["cold"] for part in view.segments),
        fresh=view.fresh.vectors.nbytes + len(view.fresh) * _ROW_OVERHEAD_BYTES,
        fresh_rows=len(view.fresh),
    )


def describe_library(library: OpenLibrary, housekeeping: Housekeeping) -> LibraryStats:
    """Counts and bytes."""
    view = library.view()
    facts = view.library
    stored = stored_bytes(library, view)
    dead_rows = sum(part.dead_count for part in view.segments) + _dead_fresh(view)
    return LibraryStats(
        document_count=facts.document_count,
        chunk_count=facts.chunk_count,
        dead_chunk_count=dead_rows,
        live_bytes=stored.live,
        dead_bytes=stored.dead,
        disk_bytes=stored.live + stored.dead,
        memory_bytes={
            "hot": stored.hot,
            "cold": stored.cold,
            "fresh": stored.fresh,
            "found": library.store.found_bytes(),
        },
        index=describe_index(library, housekeeping),
        recall=_last_recall(library),
        audit=library.auditor.report,
        position=facts.position,
    )


def _last_recall(library: OpenLibrary) -> float | None:
    """Measured on request, else by the audit."""
    if library.measured_recall is not None:
        return library.measured_recall
    report = library.auditor.report
    return None if report is None else report.overall.recall


def _dead_fresh(view: View) -> int:
    return 0 if view.fresh.dead is None else int(view.fresh.dead.sum())
