"""Backups of everything, one at a time."""

import threading
from collections.abc import Generator, Set
from datetime import datetime

from quiredb.domain.errors import Conflict
from quiredb.repositories.backup import Backups


class BackupService:
    """The use case of whoever keeps backups."""

    def __init__(self, backups: Backups) -> None:
        self._backups = backups
        self._running = threading.Lock()

    @property
    def last_success(self) -> datetime | None:
        """When the newest backup was begun that held all libraries and was handed over to its end; None: none was."""
        return self._backups.last_success

    def stream(self, known: Set[str]) -> Generator[bytes, None, None]:
        """A backup without the blocks of the digests `known`, part by part; the manifest comes last.

        `Conflict`, with the first part, while another backup is being made: each keeps the logs of the library that it
        reads from being merged.
        """
        if not self._running.acquire(blocking=False):
            raise Conflict("A backup is being made already; try again when it has ended.")
        try:
            yield from self._backups.stream(known)
        finally:
            self._running.release()
