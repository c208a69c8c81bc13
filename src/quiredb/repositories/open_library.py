"""A library that is open: its store, its collection, its write path."""

import logging
import math
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import numpy as np

from quiredb.domain.admission import Places
from quiredb.domain.changes import Change
from quiredb.domain.commands import Command, Receipt
from quiredb.domain.errors import NotFound, QuireError, ReplicaBehind
from quiredb.domain.filters import Filter
from quiredb.domain.measures import Measures
from quiredb.domain.spans import span
from quiredb.engine.batch_searching import NearestToEach, search_view_for_each
from quiredb.engine.collection import Collection
from quiredb.engine.searching import Nearest, Ranking, search_view
from quiredb.engine.segment import Segment
from quiredb.engine.view import View
from quiredb.repositories.auditor import Auditor
from quiredb.repositories.commits import CommitQueue
from quiredb.repositories.loading import load_collection
from quiredb.repositories.writer_role import WriterRole
from quiredb.storage.library_store import Applied, LibraryStore
from quiredb.storage.segments import SegmentRecord

_Given = TypeVar("_Given")
_Answer = TypeVar("_Answer")

_log = logging.getLogger(__name__)


class OpenLibrary:
    """What services hold of a library.

    Reads: take `view()` once and use it with `store` at the view's position, keeping the view until done (rows that the
    view sees are not purged while it is held). Writes: `submit`. Background work is `exclusively` the writer while it
    changes state; `sealing` is held while fresh rows become a segment, so that they become only one.

    What else it keeps: `damaged` names segments whose files must be built again; `building` is the share done of the
    build that runs (None: none does); `committed_at` and `reclaimed_at` are when something was last committed and space
    was last given back, on the clock of housekeeping; `measured_recall` is the last measurement that was asked for;
    `auditor` judges live searches, and `recorded` is told when one of them waits to be repeated.

    A commit changes the store first and the collection then. Should anything break in between (a bug, no memory,
    Ctrl-C), the collection is loaded from the store again, by this writer or the next.
    """

    def __init__(
        self,
        store: LibraryStore,
        collection: Collection,
        damaged: Iterable[str],
        auditor: Auditor,
        measures: Measures,
        writes: Places,
        changed: Callable[["OpenLibrary", Sequence[Change]], None],
        recorded: Callable[["OpenLibrary"], None],
    ) -> None:
        self.store = store
        self.collection = collection
        self.auditor = auditor
        self.measures = measures
        self.writer = WriterRole()
        self.sealing = threading.Lock()
        self.closed = threading.Event()
        self.measured_recall: float | None = None
        self.building: float | None = None
        self.committed_at = -math.inf
        self.reclaimed_at = -math.inf
        self.damaged = set(damaged)
        self._writes = writes
        self._changed = changed
        self._recorded = recorded
        self._behind = False
        self._published = threading.Condition()
        # What the queue keeps must not keep the library: one that was deleted would wait for the garbage collector.
        self._commits = CommitQueue(self.writer, _held_weakly(self._write), _held_weakly(self._apply))

    @property
    def id(self) -> str:
        """The library's id."""
        return self.view().library.id

    def view(self) -> View:
        """The newest view."""
        return self.collection.view

    def submit(self, command: Command) -> Receipt:
        """Commit a command; readers see it when this returns. `Overloaded` while too many wait to write."""
        with span("commit"), self._writes.one():
            return self._commits.submit(command)

    @contextmanager
    def exclusively(self) -> Iterator[None]:
        """The writer's role for the block. `NotFound` once the library was closed."""
        with self.writer:
            self._check_open()
            self._catch_up()
            yield

    def replace_segments(self, removed: Sequence[str], record: SegmentRecord, added: Segment) -> None:
        """Swap segments, in the store and for readers. What died since `added` was built is dead in it."""
        with self.exclusively():
            died = self.store.deaths_since(record.low_row, record.high_row, record.position)
            with self._committing():
                self.store.swap_segments(removed, [record])
            self.collection.replace_segments(removed, added, np.array(died, np.int64))
            self._behind = False

    def serve_instead(self, name: str, added: Segment) -> None:
        """Put a segment of the same rows in the place of the one of that name, for readers only."""
        with self.exclusively():
            header = added.header
            died = self.store.deaths_since(header.low_row, header.high_row, header.position)
            self.collection.replace_segments([name], added, np.array(died, np.int64))

    def search(self, view: View, nearest: Nearest, filter_: Filter | None = None) -> Ranking:
        """Search a view of this library. Some searches are recorded to be audited."""
        started = time.perf_counter()
        with span("search"):
            ranking = search_view(view, nearest, filter_, self.texts)
        self._searched(filter_, time.perf_counter() - started)
        if not nearest.exact and self.auditor.picks():
            self.auditor.record(nearest, filter_)
            self._recorded(self)
        return ranking

    def search_for_each(self, view: View, nearest: NearestToEach, filter_: Filter | None = None) -> list[Ranking]:
        """Search a view of this library for several queries. Some searches are recorded to be audited."""
        started = time.perf_counter()
        with span("search"):
            rankings = search_view_for_each(view, nearest, filter_, self.texts)
        self._searched(filter_, time.perf_counter() - started)
        picked = [] if nearest.exact else [number for number in range(len(rankings)) if self.auditor.picks()]
        for number in picked:
            self.auditor.record(nearest.one(number), filter_)
        if picked:
            self._recorded(self)
        return rankings

    def texts(self, rows: list[int]) -> Iterable[tuple[int, str]]:
        """The texts of rows, for filters."""
        return self.store.texts(rows)

    def wait_for(self, position: int, seconds: float) -> None:
        """Return once `position` is visible; `ReplicaBehind` when it is not within `seconds`."""
        deadline = time.monotonic() + seconds
        with self._published:
            while (now := self.view().position) < position:
                if not self._published.wait(deadline - time.monotonic()) and self.view().position < position:
                    raise ReplicaBehind(f"This node is at position {now}, not yet at {position}. Try again.")

    def _write(self, commands: Sequence[Command]) -> list[Applied | QuireError]:
        self._check_open()
        self._catch_up()
        started = time.perf_counter()
        with self._committing():
            results = self.store.write(commands)
        self.measures.commits.observe(time.perf_counter() - started)
        self.measures.commit_sizes.observe(len(commands))
        return results

    def _searched(self, filter_: Filter | None, seconds: float) -> None:
        self.measures.searches.observe("unfiltered" if filter_ is None else "filtered", seconds)

    def _check_open(self) -> None:
        if self.closed.is_set():
            raise NotFound("library", self.id)

    def _apply(self, changes: Sequence[Change]) -> None:
        try:
            self.collection.apply(changes)
            self._behind = False
        except Exception:  # the commit is durable and must be answered: readers get it by another way
            _log.exception("library %s: a commit could not be applied; it is loaded from the store", self.id)
            self._catch_up()
        with self._published:
            self._published.notify_all()
        self._changed(self, changes)

    @contextmanager
    def _committing(self) -> Iterator[None]:
        """The collection counts as behind until the commit is shown. An error of the store commits nothing."""
        self._behind = True
        try:
            yield
        except QuireError:
            self._behind = False
            raise

    def _catch_up(self) -> None:
        """Load the collection anew when it is behind the store."""
        if not self._behind:
            return
        self.store.reload_state()
        loaded = load_collection(self.store)
        self.collection.take_over(loaded.collection)
        self.damaged.update(loaded.damaged)
        self._behind = False


def _held_weakly(method: Callable[[_Given], _Answer]) -> Callable[[_Given], _Answer]:
    """A bound method that does not keep its object; whoever calls it does."""
    reference = weakref.WeakMethod(method)

    def call(given: _Given) -> _Answer:
        bound = reference()
        assert bound is not None, "the object is gone while one of its methods is called"
        return bound(given)

    return call
