"""Backups of a data folder that is open, while it is written to."""

import logging
from collections.abc import Iterator, Set
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path

from quiredb.domain.errors import StorageFailed
from quiredb.domain.times import now
from quiredb.repositories.libraries import LibraryRepository
from quiredb.storage.backups.manifest import Manifest
from quiredb.storage.backups.note import last_backup, note_backup
from quiredb.storage.backups.pin import held_still
from quiredb.storage.backups.source import Part, backup_parts
from quiredb.storage.backups.stream import encode_part
from quiredb.storage.connections import ReadConnections

_log = logging.getLogger(__name__)


class Backups:
    """Takes backups of all libraries.

    `last_success` is when the newest one was begun that held all of them and was taken to its end; None: none was.
    """

    def __init__(self, repository: LibraryRepository, program: str) -> None:
        self._repository = repository
        self._program = program
        self.last_success = last_backup(repository.folder.path)

    def stream(self, known: Set[str]) -> Iterator[bytes]:
        """A backup without the blocks of the digests `known`, part by part; the manifest comes last."""
        begun = now()
        complete = False
        for part in self.parts(known):
            yield encode_part(part)
            complete = isinstance(part, Manifest) and not part.omitted
        if complete:
            self._note(begun)

    def parts(self, known: Set[str]) -> Iterator[Part]:
        """The parts of a backup; commits to a library wait only until it is held still, not while it is read."""

        @contextmanager
        def pin(library_id: str, path: Path) -> Iterator[ReadConnections]:
            library = self._repository.get(library_id)
            with ExitStack() as held:
                with library.exclusively():
                    readers = held.enter_context(held_still(path, library.store.checkpoint))
                yield readers

        return backup_parts(self._repository.folder, pin, known, self._program)

    def _note(self, begun: datetime) -> None:
        """The backup is complete, so it is not failed by a disk that has no space for a note of it."""
        self.last_success = begun
        try:
            note_backup(self._repository.folder.path, begun)
        except StorageFailed as error:
            _log.warning("when the last backup was made cannot be written down: %s", error.detail)
