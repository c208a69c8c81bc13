"""All libraries of a data folder."""

import logging
import os
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from quiredb.domain.admission import MemoryBudget, Places
from quiredb.domain.commands import ANY_STATE, CreateLibrary, Expectation
from quiredb.domain.errors import (
    DataDamaged,
    FormatUnsupported,
    NotFound,
    PreconditionFailed,
    StorageFailed,
    WritesStopped,
)
from quiredb.domain.measures import Measures
from quiredb.repositories.auditor import Auditor
from quiredb.repositories.housekeeping import Housekeeping
from quiredb.repositories.jobs import JobRegistry
from quiredb.repositories.loading import load_collection
from quiredb.repositories.open_library import OpenLibrary
from quiredb.repositories.watchdog import Watchdog
from quiredb.storage.folder import DataFolder
from quiredb.storage.library_store import LibraryStore

_log = logging.getLogger(__name__)
_WRITES_AT_ONCE_MAX = 96
"""Of all libraries, that wait for a commit or are in one. Beyond it a slow disk would take all threads from reads."""
_OPEN_AGAIN_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class _Closed:
    """A library that could not be opened: its folder, why, and when (monotonic) it may be tried again."""

    key: str
    error: StorageFailed
    again_at: float


class LibraryRepository:
    """Opens every library of the folder. The maps of libraries are replaced, never changed, so look-ups need no lock.

    A library that cannot be opened, or whose file proves damaged while it is open, is named in `damaged` and answers
    with its error; the others serve. One that could not be opened for want of something else than sound files (space,
    file descriptors, a disk that answers) is tried again when it is asked for.
    """

    def __init__(self, folder: DataFolder, audit_share: float, memory: MemoryBudget) -> None:
        self.folder = folder
        self.memory = memory
        self.measures = Measures()
        self._audit_share = audit_share
        self.writes = Places(_WRITES_AT_ONCE_MAX, "writes")
        self.jobs = JobRegistry()
        self.housekeeping = Housekeeping(self.jobs, memory, self.measures)
        self.watchdog = Watchdog(self.housekeeping.workers(), self.all)
        self._libraries: dict[str, OpenLibrary] = {}
        self._closed: dict[str, _Closed] = {}
        self._lock = threading.RLock()

    @classmethod
    def open(cls, path: Path, audit_share: float = 0.0, memory: MemoryBudget | None = None) -> "LibraryRepository":
        """Lock the folder (made when absent) and open its libraries; background work waits for `start`.

        audit_share: of all searches, to be audited; 0: none. memory: what background work may take; None: any amount.
        """
        repository = cls(DataFolder.open(path), audit_share, memory or MemoryBudget.unlimited())
        try:
            repository._remove_orphans()
            for library_id, key in repository.folder.catalogue.entries().items():
                repository._open_existing(library_id, key)
        except BaseException:
            repository.close()
            raise
        return repository

    def start(self) -> None:
        """Start background work."""
        self.housekeeping.start()
        self.watchdog.start()

    def close(self) -> None:
        """Stop background work, close every file, unlock the folder; each whether or not another can be closed."""
        self.watchdog.stop()
        self.housekeeping.stop()
        with self._lock, ExitStack() as closing:
            closing.callback(self.folder.close)
            for library in self._libraries.values():
                closing.callback(_close, library)

    @property
    def damaged(self) -> dict[str, StorageFailed]:
        """Why libraries are not served, by their ids."""
        found: dict[str, StorageFailed] = {name: closed.error for name, closed in self._closed.items()}
        for name, library in self._libraries.items():
            if library.store.damage is not None:
                found[name] = library.store.damage
        return found

    @property
    def read_only(self) -> dict[str, StorageFailed]:
        """Why libraries are not written though they are read, by their ids; `*`: why none is made or deleted."""
        stopped = {name: library.store.writes_stopped for name, library in self._libraries.items()}
        stopped["*"] = self.folder.catalogue.writes_stopped
        return {name: error for name, error in stopped.items() if error is not None}

    def get(self, library_id: str) -> OpenLibrary:
        """The library, `NotFound`, or the error that keeps it closed."""
        library = self._libraries.get(library_id)
        if library is None and library_id in self._closed:
            library = self._open_again(library_id)
        if library is None:
            raise NotFound("library", library_id)
        if library.store.damage is not None:
            raise library.store.damage
        return library

    def all(self) -> list[OpenLibrary]:
        """Every library that is served, by id."""
        return [library for _, library in sorted(self._libraries.items()) if library.store.damage is None]

    def create(self, command: CreateLibrary, expected: Expectation = ANY_STATE) -> tuple[OpenLibrary, bool]:
        """Make a library; its catalogue entry is the commit point. Answers (library, whether it is new).

        Whatever the disk can refuse comes before the entry, so one that is listed is served. An id that is taken is a
        failed precondition, unless the idempotency token made that library.
        """
        with self._lock:
            made_before = command.idempotency and self.folder.catalogue.recall_creation(command.idempotency)
            if made_before:
                return self.get(made_before), False
            if expected.version is not None:
                raise PreconditionFailed(f"There is no library {command.id!r} to match a version of.")
            if command.id in self._libraries or command.id in self._closed:
                raise PreconditionFailed(f"The library {command.id!r} exists already.")
            key = os.urandom(8).hex()
            command = replace(command, position=self.folder.catalogue.first_position(command.id))
            library = self._loaded(LibraryStore.create(self.folder.library_folder(key), command))
            try:
                self.folder.catalogue.add(command.id, key, command.idempotency)
            except StorageFailed:
                library.store.close()
                raise
            self._serve(command.id, library)
            return library, True

    def delete(self, library_id: str, expected: Expectation = ANY_STATE) -> None:
        """Remove a library and its files; a damaged one too, as long as no version of it is expected."""
        with self._lock:
            key = self.folder.catalogue.entries().get(library_id)
            if key is None:
                raise NotFound("library", library_id)
            library = self._libraries.get(library_id)
            if library is None or (library.store.damage is not None and expected.version is None):
                self._delete_unread(library_id, expected)
            else:
                self._delete_open(library, expected)
            self._closed = {name: closed for name, closed in self._closed.items() if name != library_id}
            self._remove_files(library_id, key)

    def _delete_unread(self, library_id: str, expected: Expectation) -> None:
        if expected.version is not None:
            raise self.damaged[library_id]
        library = self._libraries.get(library_id)
        self.folder.catalogue.remove(library_id, library.view().position if library is not None else None)
        if library is not None:
            self._forget(library)

    def _delete_open(self, library: OpenLibrary, expected: Expectation) -> None:
        with library.writer:
            if library.store.damage is not None:
                raise library.store.damage
            facts = library.view().library
            if expected.version not in {None, facts.version}:
                raise PreconditionFailed(f"The library is at version {facts.version}.")
            try:
                self.folder.catalogue.remove(facts.id, facts.position)
            except WritesStopped as error:
                # The next start may find the library or not: until then nothing that is written to it may be answered.
                library.store.stop_writes(error)
                raise
            self._libraries = {name: one for name, one in self._libraries.items() if one is not library}
            library.closed.set()
            library.store.close()

    def _forget(self, library: OpenLibrary) -> None:
        """It is deleted: nobody shall find it, and its files be closed."""
        self._libraries = {name: one for name, one in self._libraries.items() if one is not library}
        _close(library)

    def _remove_orphans(self) -> None:
        """Files of libraries that are gone; those that cannot be removed, for what reason ever, go at a later start."""
        try:
            for folder in self.folder.remove_orphans():
                _log.warning("%s holds a library that the catalogue does not list; it stays, and is not served", folder)
        except StorageFailed as error:
            _log.warning("files of deleted libraries stay until the next start: %s", error.detail)

    def _remove_files(self, library_id: str, key: str) -> None:
        """The library is gone already; files that background work is still writing go when the folder opens next."""
        try:
            self.folder.remove_library(key)
        except StorageFailed as error:
            _log.warning("files of the deleted library %s stay until the next start: %s", library_id, error.detail)

    def _store_of(self, library_id: str, key: str) -> LibraryStore:
        store = LibraryStore.open(self.folder.library_folder(key))
        if store.library().id != library_id:
            store.close()
            raise DataDamaged(f"Its folder {key} holds the library {store.library().id!r}; put its own files back.")
        return store

    def _open_existing(self, library_id: str, key: str) -> OpenLibrary | None:
        try:
            library = self._loaded(self._store_of(library_id, key))
        except StorageFailed as error:
            _log.error("library %s cannot be opened: %s", library_id, error.detail)
            closed = _Closed(key, error, time.monotonic() + _OPEN_AGAIN_SECONDS)
            self._closed = {**self._closed, library_id: closed}
            return None
        self._serve(library_id, library)
        return library

    def _open_again(self, library_id: str) -> OpenLibrary | None:
        """Try once more, not too often, to open what sound files may be of; else raise why it is closed."""
        with self._lock:
            closed = self._closed.get(library_id)
            if closed is None:
                return self._libraries.get(library_id)
            if isinstance(closed.error, DataDamaged | FormatUnsupported) or time.monotonic() < closed.again_at:
                raise closed.error
            library = self._open_existing(library_id, closed.key)
            if library is None:
                raise self._closed[library_id].error
            return library

    def _loaded(self, store: LibraryStore) -> OpenLibrary:
        """Everything that is read at opening; nobody finds the library yet."""
        try:
            store.remove_unlisted_segments()
            loaded = load_collection(store)
        except BaseException:
            store.close()
            raise
        return OpenLibrary(
            store,
            loaded.collection,
            loaded.damaged,
            Auditor(self._audit_share),
            self.measures,
            self.writes,
            self.housekeeping.changed,
            self.housekeeping.recorded,
        )

    def _serve(self, library_id: str, library: OpenLibrary) -> None:
        """From now on requests and background work find the library."""
        self._closed = {name: closed for name, closed in self._closed.items() if name != library_id}
        self._libraries = {**self._libraries, library_id: library}
        self.housekeeping.opened(library)


def _close(library: OpenLibrary) -> None:
    with library.writer:
        library.closed.set()
        library.store.close()
