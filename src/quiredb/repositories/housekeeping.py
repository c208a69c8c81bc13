"""Background work of all libraries: a quick worker (seal, purge, give disk back) and a slow one (merges, rebuilds)."""

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from quiredb.domain.admission import MemoryBudget
from quiredb.domain.changes import Change
from quiredb.domain.errors import JobCancelled, QuireError
from quiredb.domain.indexing import Job, JobState
from quiredb.domain.measures import Measures
from quiredb.engine.documents import DocumentTable
from quiredb.engine.merging import SEAL_ROWS, MergeRange, choose_merge, may_wait
from quiredb.repositories.auditing import audit_next, keep_promises
from quiredb.repositories.jobs import JobRegistry
from quiredb.repositories.open_library import OpenLibrary
from quiredb.repositories.segments import (
    Stopping,
    damaged_segments,
    memory_to_merge,
    merge,
    rebuild,
    seal,
    serve_from_store,
    unwatched,
    watched,
)
from quiredb.repositories.workers import Worker

_log = logging.getLogger(__name__)
_PURGE_ROWS = 500
_REPACK_ROWS = 1_000
_RELEASE_PAGES = 512
_RECLAIM_SECONDS = 1.0
_CALM_SECONDS = 1.0
"""Since the last commit, until it is taken that no import is running that merges would compete with."""
_QUICK_PATIENCE_SECONDS = 60.0
_AUDIT_SECONDS = 0.02
_AUDIT_PROCESSOR_SHARE = 0.04
"""Of one processor, on average, that audits of all libraries take at most."""


@dataclass(frozen=True, slots=True)
class _Build:
    """A task of the slow worker: what merging asks for, a full rebuild (with a job), a look at every byte, an audit."""

    library: OpenLibrary
    job_id: str | None = None
    verifies: bool = False
    audits: bool = False


class Housekeeping:
    """Owns both workers. `changed` is told of every commit, notes its time and looks at sizes."""

    def __init__(
        self,
        jobs: JobRegistry,
        memory: MemoryBudget,
        measures: Measures,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._jobs = jobs
        self._memory = memory
        self._measures = measures
        self._clock = clock
        self._stopping = threading.Event()
        self._quick: Worker[OpenLibrary] = Worker("quire-tidy", self._tidy, _QUICK_PATIENCE_SECONDS)
        self._slow: Worker[_Build] = Worker("quire-build", self._perform)
        self._next_audit = -math.inf

    def start(self) -> None:
        """Start both workers."""
        self._quick.start()
        self._slow.start()

    def stop(self) -> None:
        """Cancel builds, finish the step at hand, end both threads."""
        self._stopping.set()
        self._slow.stop()
        self._quick.stop()

    def workers(self) -> tuple[Worker[OpenLibrary], Worker[_Build]]:
        """The quick and the slow one."""
        return self._quick, self._slow

    def changed(self, library: OpenLibrary, changes: Sequence[Change]) -> None:
        """Commits were applied."""
        if changes:
            library.committed_at = self._clock()
        died = any(change.chunks_died or change.documents_died for change in changes)
        if died or len(library.view().fresh) >= SEAL_ROWS:
            self._quick.wake(library)

    def opened(self, library: OpenLibrary) -> None:
        """A library was opened: check its segments and finish what an earlier process left."""
        self._slow.wake(_Build(library, verifies=True))
        self._quick.wake(library)

    def recorded(self, library: OpenLibrary) -> None:
        """A search waits to be audited, when there is nothing else to do."""
        self._slow.wake(_Build(library, audits=True))

    def rebuild(self, library: OpenLibrary) -> Job:
        """Start a full rebuild of the library's index, or join one that has not begun: it builds what is asked now."""
        waiting = {task.job_id for task in self._slow.waiting() if task.library is library}
        for queued in self._jobs.all():
            if queued.id in waiting and queued.state is JobState.QUEUED:
                return queued
        job = self._jobs.add("index", library.id)
        self._slow.wake(_Build(library, job.id))
        return job

    def is_building(self, library: OpenLibrary) -> bool:
        """Whether index work is under way or due."""
        if self._slow.busy_with(lambda task: task.library is library and not (task.verifies or task.audits)):
            return True
        return len(library.view().fresh) >= SEAL_ROWS or self._next_merge(library) is not None

    def _tidy(self, library: OpenLibrary) -> bool:
        """Quick work; True while there is more. What fails because the library or the process goes is no failure."""
        stopping = Stopping(self._stopping, library)
        try:
            return not stopping() and self._tidy_once(library, stopping)
        except QuireError:
            if stopping():
                return False
            raise

    def _tidy_once(self, library: OpenLibrary, stopping: Stopping) -> bool:
        with library.exclusively():
            library.collection.sweep_fresh()
        if len(library.view().fresh) >= SEAL_ROWS:
            with self._measured("seal"):
                seal(library, unwatched(stopping))
        chosen = self._next_merge(library)
        held_back = chosen is not None and self._is_held_back(library, chosen)
        if chosen and not held_back:
            self._slow.wake(_Build(library))
        if library.collection.documents_worn():
            _renew_documents(library)
        return self._reclaim(library, stopping) or held_back

    def _is_held_back(self, library: OpenLibrary, chosen: MergeRange) -> bool:
        """Whether a merge waits for the end of an import, with which it would compete for processors and the disk."""
        calm = self._clock() - library.committed_at >= _CALM_SECONDS
        return not calm and may_wait(chosen, library.collection.sizes())

    def _reclaim(self, library: OpenLibrary, stopping: Stopping) -> bool:
        """Purge dead rows that no reader sees, pack half-empty pages, give free pages back. True while there is more.

        At most once a second, so that a library that is updated all the time is not swept after every commit.
        """
        if self._clock() - library.reclaimed_at < _RECLAIM_SECONDS:
            return True
        purged = purged_in_all = _PURGE_ROWS
        while purged == _PURGE_ROWS and not stopping():
            with library.exclusively():
                purged = library.store.purge(library.collection.horizon(), _PURGE_ROWS)
            purged_in_all += purged
            self._quick.progressed(purged_in_all)
        more = True
        while more and not stopping():
            with library.exclusively():
                more = library.store.repack(_REPACK_ROWS)
            self._quick.progressed(("repacked", library.store.free_bytes()))
        more = True
        while more and not stopping():
            with library.exclusively():
                more = library.store.free_bytes() > 0 and library.store.release_pages(_RELEASE_PAGES)
            self._quick.progressed(("released", library.store.free_bytes()))
        library.reclaimed_at = self._clock()
        return library.store.has_dead_versions()

    def _perform(self, task: _Build) -> bool:
        stopping = Stopping(self._stopping, task.library)
        return self._audit(task.library, stopping) if task.audits else self._build(task, stopping)

    def _audit(self, library: OpenLibrary, stopping: Stopping) -> bool:
        """Audit for a moment, unless something else waits or audits took their share. True while searches wait."""
        if time.monotonic() >= self._next_audit:
            self._audit_for_a_moment(library, stopping)
        return library.auditor.waits() and not stopping()

    def _audit_for_a_moment(self, library: OpenLibrary, stopping: Stopping) -> None:
        started = time.thread_time()
        try:
            while self._is_idle(stopping) and time.thread_time() - started < _AUDIT_SECONDS:
                if not library.auditor.waits():
                    break
                audit_next(library)
            if self._is_idle(stopping):
                keep_promises(library, stopping)
        except QuireError:
            if not stopping():
                raise
        finally:
            used = time.thread_time() - started
            self._next_audit = time.monotonic() + used / _AUDIT_PROCESSOR_SHARE

    def _is_idle(self, stopping: Stopping) -> bool:
        return not stopping() and all(task.audits for task in self._slow.waiting())

    def _build(self, task: _Build, stopping: Stopping) -> bool:
        library = task.library
        if stopping():
            if task.job_id is not None:
                self._jobs.end(task.job_id, JobState.CANCELLED)
            return False
        if task.job_id is not None and self._jobs.has_ended(task.job_id):
            return False
        try:
            if task.job_id is not None:
                self._rebuild(library, task.job_id, stopping)
            elif task.verifies:
                self._verify(library, stopping)
            elif chosen := self._next_merge(library):
                self._merge(library, chosen, stopping)
        except QuireError:
            if stopping():
                return False
            raise
        finally:
            library.building = None
            if task.job_id is not None:
                self._jobs.end(task.job_id, JobState.FAILED, "A bug stopped the work; the server's log tells more.")
        self._quick.wake(library)
        return False

    def _merge(self, library: OpenLibrary, chosen: MergeRange, stopping: Stopping) -> None:
        """Merge, when there is memory for it. Segments that come out as they went in would be merged for ever."""
        before = library.collection.sizes()
        merged = {part.segment.name for part in library.view().segments[chosen.first : chosen.last]}
        repaired = not library.damaged.isdisjoint(merged)
        with self._memory.reserve(memory_to_merge(library, chosen)), self._measured("merge"):
            merge(library, chosen, watched(library, self._slow.progressed, stopping))
        library.damaged.difference_update(merged)
        if library.collection.sizes() == before and not repaired:
            raise AssertionError(f"merging segments {chosen} of library {library.id} changed nothing")

    def _rebuild(self, library: OpenLibrary, job_id: str, stopping: Stopping) -> None:
        def report(done: float) -> None:
            self._slow.progressed(done)
            self._jobs.progress(job_id, done)

        progress = watched(library, report, lambda: stopping() or self._jobs.is_cancelled(job_id))
        everything = MergeRange(0, len(library.view().segments))
        try:
            progress.check()
            with self._memory.reserve(memory_to_merge(library, everything)), self._measured("rebuild"):
                rebuild(library, progress)
        except JobCancelled:
            self._jobs.end(job_id, JobState.CANCELLED)
            return
        except QuireError as error:
            self._jobs.end(job_id, JobState.FAILED, error.detail)
            return
        library.damaged.clear()
        self._jobs.end(job_id, JobState.SUCCEEDED)

    @contextmanager
    def _measured(self, kind: str) -> Iterator[None]:
        """Time a build that succeeds."""
        started = time.monotonic()
        yield
        self._measures.builds.observe(kind, time.monotonic() - started)

    def _verify(self, library: OpenLibrary, stopping: Stopping) -> None:
        damaged = damaged_segments(library, stopping)
        if damaged:
            _log.warning("library %s: segments are damaged and are rebuilt: %s", library.id, ", ".join(damaged))
            serve_from_store(library, damaged)
        library.damaged |= damaged

    def _next_merge(self, library: OpenLibrary) -> MergeRange | None:
        """A damaged segment first, then what sizes ask for."""
        names = [part.segment.name for part in library.view().segments]
        for number, name in enumerate(names):
            if name in library.damaged:
                return MergeRange(number, number + 1)
        return choose_merge(library.collection.sizes())


def _renew_documents(library: OpenLibrary) -> None:
    """Build the document table from the store while commits go on."""
    with library.exclusively():
        library.collection.begin_documents()
        view = library.view()
    table = DocumentTable.of(library.store.live_document_rows(view.position))
    with library.exclusively():
        library.collection.replace_documents(table)
