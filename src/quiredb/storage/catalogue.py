"""The list of libraries: which folder holds which, who created them with which idempotency key, the folder's secret."""

import os
import threading
from contextlib import suppress
from pathlib import Path

import apsw

from quiredb.domain.commands import IdempotencyToken
from quiredb.domain.errors import Conflict, StorageFailed, WritesStopped
from quiredb.domain.times import now, to_microseconds
from quiredb.storage.connections import WriteConnection
from quiredb.storage.database import create_database, fetch
from quiredb.storage.health import DatabaseHealth
from quiredb.storage.idempotency import expired_before, key_reused
from quiredb.storage.schema import CATALOGUE

_SECRET_BYTES = 32


class Catalogue:
    """One small database beside the libraries. For any number of threads."""

    def __init__(self, connection: WriteConnection) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    @classmethod
    def create(cls, path: Path) -> "Catalogue":
        """A new, empty catalogue with a new secret."""
        create_database(path, CATALOGUE, _make_secret)
        return cls.open(path)

    @classmethod
    def open(cls, path: Path) -> "Catalogue":
        """The catalogue that is there."""
        return cls(WriteConnection.open_shared(path))

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._connection.close()

    @property
    def health(self) -> DatabaseHealth:
        """What is known of the file, for its other connections in this process."""
        return self._connection.health

    @property
    def writes_stopped(self) -> WritesStopped | None:
        """Why no library is made or deleted any more."""
        return self._connection.health.writes_stopped

    def secret(self) -> bytes:
        """Random bytes made with the catalogue, for signing what clients carry."""
        with self._lock, self._connection.plain() as connection:
            return bytes(fetch(connection, "SELECT value FROM settings WHERE name = 'secret'")[0][0])

    def entries(self) -> dict[str, str]:
        """Library ids and the keys of their folders."""
        with self._lock, self._connection.plain() as connection:
            return dict(fetch(connection, "SELECT id, key FROM libraries ORDER BY id"))

    def add(self, library_id: str, key: str, idempotency: IdempotencyToken | None) -> None:
        """List a library; `Conflict` when its id is taken."""
        with self._lock:
            self._add(library_id, key, idempotency)
            self._merge_in_passing()

    def _add(self, library_id: str, key: str, idempotency: IdempotencyToken | None) -> None:
        with self._connection.transaction() as connection:
            if fetch(connection, "SELECT 1 FROM libraries WHERE id = ?", (library_id,)):
                raise Conflict(f"There is a library {library_id!r} already; choose another id.")
            connection.execute("INSERT INTO libraries VALUES (?, ?)", (library_id, key))
            if idempotency is None:
                return
            at = now()
            connection.execute("DELETE FROM creations WHERE at <= ?", (expired_before(at),))
            connection.execute(
                "INSERT OR REPLACE INTO creations VALUES (?, ?, ?, ?)",
                (idempotency.key, idempotency.digest, to_microseconds(at), library_id),
            )

    def first_position(self, library_id: str) -> int:
        """Where a new library of this id begins: behind all positions of earlier ones."""
        with self._lock, self._connection.plain() as connection:
            found = fetch(connection, "SELECT position FROM retired WHERE id = ?", (library_id,))
        return int(found[0][0]) + 1 if found else 0

    def remove(self, library_id: str, position: int | None = None) -> None:
        """Forget a library and how it was created, but for its last position. Its folder is then an orphan."""
        with self._lock, self._connection.transaction() as connection:
            if position is not None:
                connection.execute("INSERT OR REPLACE INTO retired VALUES (?, ?)", (library_id, position))
            connection.execute("DELETE FROM libraries WHERE id = ?", (library_id,))
            connection.execute("DELETE FROM creations WHERE library = ?", (library_id,))
        with self._lock:
            self._merge_in_passing()

    def merge_log(self) -> None:
        """Have what was committed in the file itself, where each page has its checksum."""
        with self._lock:
            self._connection.merge_log()

    def _merge_in_passing(self) -> None:
        """The change is durable either way: where merging fails, the log is merged another time."""
        with suppress(StorageFailed):
            self._connection.merge_log()

    def recall_creation(self, token: IdempotencyToken) -> str | None:
        """The library that this request created in the last 24 hours, or None.

        `IdempotencyKeyReused` when the key stood for another request.
        """
        with self._lock, self._connection.plain() as connection:
            found = fetch(
                connection,
                "SELECT digest, library FROM creations WHERE key = ? AND at > ?",
                (token.key, expired_before(now())),
            )
        if not found:
            return None
        digest, library_id = found[0]
        if digest != token.digest:
            raise key_reused()
        return str(library_id)


def _make_secret(connection: apsw.Connection) -> None:
    connection.execute("INSERT INTO settings VALUES ('secret', ?)", (os.urandom(_SECRET_BYTES),))
