"""What is known of a database file while it is open: whether it is damaged, whether it may still be written."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from quiredb.domain.errors import DataDamaged, WritesStopped
from quiredb.storage.database import database_errors


class DatabaseHealth:
    """Shared by all connections of one file in a process. What was noted stays until the file is opened anew.

    damage: the first proof that the file does not hold what was written to it; nothing of it should be served.
    writes_stopped: the flush that failed. The operating system may report a later flush of the same file as a success
    although it has dropped the pages (https://www.usenix.org/conference/atc20/presentation/rebello), so there is none.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damage: DataDamaged | None = None
        self.writes_stopped: WritesStopped | None = None

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Turn SQLite's errors in the block into ours, and note what they say about the file."""
        try:
            with database_errors(self.path):
                yield
        except DataDamaged as error:
            self.damage = self.damage or error
            raise
        except WritesStopped as error:
            self.writes_stopped = self.writes_stopped or error
            raise

    def require_writable(self) -> None:
        """Raise what keeps the file from being written."""
        if self.damage is not None:
            raise self.damage
        if self.writes_stopped is not None:
            raise self.writes_stopped
