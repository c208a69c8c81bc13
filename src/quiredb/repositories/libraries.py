"""All libraries of a data folder."""

import logging
import os
import threading
from dataclasses import replace
from pathlib import Path

from quiredb.domain.admission import MemoryBudget, Places
from quiredb.domain.commands import ANY_STATE, CreateLibrary, Expectation
from quiredb.domain.errors import DataDamaged, NotFound, PreconditionFailed, StorageFailed
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


class LibraryRepository:
    """Opens every library of the folder. The map of libraries is replaced, never changed, so look-ups need no lock.

    A library that cannot be opened is named in `damaged` and answers with its error; the others serve.
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
        self.damaged: dict[str, StorageFailed] = {}
        self._libraries: dict[str, OpenLibrary] = {}
        self._lock = threading.Lock()

    @classmethod
    def open(cls, path: Path, audit_share: float = 0.0, memory: MemoryBudget | None = None) -> "LibraryRepository":
        """Lock the folder (made when absent) and open its libraries; background work waits for `start`.

        audit_share: of all searches, to be audited; 0: none. memory: what background work may take; None: any amount.
        """
        repository = cls(DataFolder.open(path), audit_share, memory or MemoryBudget.unlimited())
        for folder in repository.folder.remove_orphans():
            _log.warning("%s holds a library that the catalogue does not list; it stays, and is not served", folder)
        for library_id, key in repository.folder.catalogue.entries().items():
            repository._open_existing(library_id, key)
        return repository

    def start(self) -> None:
        """Start background work."""
        self.housekeeping.start()
        self.watchdog.start()

    def close(self) -> None:
        """Stop background work, close every file, unlock the folder."""
        self.watchdog.stop()
        self.housekeeping.stop()
        with self._lock:
            for library in self._libraries.values():
                with library.writer:
                    library.closed.set()
                    library.store.close()
            self.folder.close()

    def get(self, library_id: str) -> OpenLibrary:
        """The library, `NotFound`, or the error that keeps it closed."""
        library = self._libraries.get(library_id)
        if library is not None:
            return library
        if library_id in self.damaged:
            raise self.damaged[library_id]
        raise NotFound("library", library_id)

    def all(self) -> list[OpenLibrary]:
        """Every open library, by id."""
        return [library for _, library in sorted(self._libraries.items())]

    def create(self, command: CreateLibrary, expected: Expectation = ANY_STATE) -> tuple[OpenLibrary, bool]:
        """Make a library; its catalogue entry is the commit point. Answers (library, whether it is new).

        An id that is taken is a failed precondition, unless the idempotency token made that library.
        """
        with self._lock:
            made_before = command.idempotency and self.folder.catalogue.recall_creation(command.idempotency)
            if made_before:
                return self.get(made_before), False
            if expected.version is not None:
                raise PreconditionFailed(f"There is no library {command.id!r} to match a version of.")
            if command.id in self._libraries or command.id in self.damaged:
                raise PreconditionFailed(f"The library {command.id!r} exists already.")
            key = os.urandom(8).hex()
            command = replace(command, position=self.folder.catalogue.first_position(command.id))
            store = LibraryStore.create(self.folder.library_folder(key), command)
            try:
                self.folder.catalogue.add(command.id, key, command.idempotency)
            except StorageFailed:
                store.close()
                raise
            return self._opened(command.id, store), True

    def delete(self, library_id: str, expected: Expectation = ANY_STATE) -> None:
        """Remove a library and its files; one that cannot be opened too, as long as no version of it is expected."""
        with self._lock:
            if library_id in self.damaged and expected.version is None:
                key = self.folder.catalogue.entries()[library_id]
                self.folder.catalogue.remove(library_id)
                self.damaged = {name: error for name, error in self.damaged.items() if name != library_id}
                self._remove_files(library_id, key)
                return
            library = self.get(library_id)
            with library.writer:
                facts = library.view().library
                if expected.version not in {None, facts.version}:
                    raise PreconditionFailed(f"The library is at version {facts.version}.")
                key = self.folder.catalogue.entries()[library_id]
                self.folder.catalogue.remove(library_id, facts.position)
                self._libraries = {name: one for name, one in self._libraries.items() if name != library_id}
                library.closed.set()
                library.store.close()
            self._remove_files(library_id, key)

    def _remove_files(self, library_id: str, key: str) -> None:
        """The library is gone already; files that background work is still writing go when the folder opens next."""
        try:
            self.folder.remove_library(key)
        except StorageFailed as error:
            _log.warning("files of the deleted library %s stay until the next start: %s", library_id, error.detail)

    def _open_existing(self, library_id: str, key: str) -> None:
        try:
            store = LibraryStore.open(self.folder.library_folder(key))
            if store.library().id != library_id:
                store.close()
                raise DataDamaged(f"Its folder {key} holds the library {store.library().id!r}; put its own files back.")
            self._opened(library_id, store)
        except StorageFailed as error:
            _log.error("library %s cannot be opened: %s", library_id, error.detail)
            self.damaged[library_id] = error

    def _opened(self, library_id: str, store: LibraryStore) -> OpenLibrary:
        store.remove_unlisted_segments()
        loaded = load_collection(store)
        library = OpenLibrary(
            store,
            loaded.collection,
            loaded.damaged,
            Auditor(self._audit_share),
            self.measures,
            self.writes,
            self.housekeeping.changed,
            self.housekeeping.recorded,
        )
        self._libraries = {**self._libraries, library_id: library}
        self.housekeeping.opened(library)
        return library
