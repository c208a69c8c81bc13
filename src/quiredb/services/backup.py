"""Backups of everything, one at a time."""

import threading
from collections.abc import Generator, Set

from quiredb.domain.errors import Conflict
from quiredb.domain.times import now
from quiredb.repositories.backup import online_parts
from quiredb.repositories.libraries import LibraryRepository
from quiredb.storage.backup_manifest import Manifest
from quiredb.storage.backup_note import last_backup, note_backup
from quiredb.storage.backup_stream import encode_part


class BackupService:
    """The use case of whoever keeps backups.

    `last_success` is when the newest backup was begun that held all libraries and was handed over to its end; None:
    there was none.
    """

    def __init__(self, repository: LibraryRepository, program: str) -> None:
        self._repository = repository
        self._program = program
        self._running = threading.Lock()
        self.last_success = last_backup(repository.folder.path)

    def stream(self, known: Set[str]) -> Generator[bytes, None, None]:
        """A backup without the blocks of the digests `known`, part by part; the manifest comes last.

        `Conflict`, with the first part, while another backup is being made: each keeps the logs of the library that it
        reads from being merged.
        """
        if not self._running.acquire(blocking=False):
            raise Conflict("A backup is being made already; try again when it has ended.")
        try:
            begun = now()
            complete = False
            for part in online_parts(self._repository, known, self._program):
                yield encode_part(part)
                complete = isinstance(part, Manifest) and not part.omitted
            if complete:
                note_backup(self._repository.folder.path, begun)
                self.last_success = begun
        finally:
            self._running.release()
