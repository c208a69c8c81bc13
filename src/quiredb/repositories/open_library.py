"""A library that is open: its store, its collection, its write path."""

import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from quiredb.domain.changes import Change
from quiredb.domain.commands import Command, Receipt
from quiredb.domain.errors import NotFound, QuireError, ReplicaBehind
from quiredb.domain.filters import Filter
from quiredb.engine.collection import Collection
from quiredb.engine.searching import Nearest, Ranking, search_view
from quiredb.engine.view import View
from quiredb.repositories.commits import CommitQueue
from quiredb.storage.library_store import Applied, LibraryStore


class OpenLibrary:
    """What services hold of a library.

    Reads: take `view()` once and use it with `store` at the view's position, keeping the view until done (rows that the
    view sees are not purged while it is held). Writes: `submit`. Background work is `exclusively` the writer while it
    changes state.
    """

    def __init__(
        self,
        store: LibraryStore,
        collection: Collection,
        damaged: Iterable[str],
        changed: Callable[["OpenLibrary", Sequence[Change]], None],
    ) -> None:
        self.store = store
        self.collection = collection
        self.writer = threading.Lock()
        self.sealing = threading.Lock()
        self.closed = threading.Event()
        self.measured_recall: float | None = None
        self.building: float | None = None
        self.reclaimed_at = -math.inf
        self.damaged = set(damaged)
        self._changed = changed
        self._published = threading.Condition()
        self._commits = CommitQueue(self.writer, self._write, self._apply)

    @property
    def id(self) -> str:
        """The library's id."""
        return self.view().library.id

    def view(self) -> View:
        """The newest view."""
        return self.collection.view

    def submit(self, command: Command) -> Receipt:
        """Commit a command; readers see it when this returns."""
        return self._commits.submit(command)

    @contextmanager
    def exclusively(self) -> Iterator[None]:
        """The writer's role for the block. `NotFound` once the library was closed."""
        with self.writer:
            self._check_open()
            yield

    def search(self, view: View, nearest: Nearest, filter_: Filter | None = None) -> Ranking:
        """Search a view of this library."""
        return search_view(view, nearest, filter_, self.texts)

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
        return self.store.write(commands)

    def _check_open(self) -> None:
        if self.closed.is_set():
            raise NotFound("library", self.id)

    def _apply(self, changes: Sequence[Change]) -> None:
        self.collection.apply(changes)
        with self._published:
            self._published.notify_all()
        self._changed(self, changes)
