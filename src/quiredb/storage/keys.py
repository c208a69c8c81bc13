"""The API keys of a data folder: a table of digests in the catalogue, used without the folder's lock."""

import threading
from pathlib import Path

from quiredb.domain.errors import NotFound
from quiredb.domain.keys import ApiKey
from quiredb.domain.times import from_microseconds, to_microseconds
from quiredb.storage.connections import WriteConnection
from quiredb.storage.database import fetch, fetch_one, open_beside
from quiredb.storage.folder import CATALOGUE_NAME, DataFolder, check_marker
from quiredb.storage.schema import KEYS


class KeyTable:
    """The keys of one catalogue. Several processes may have it open at once. For any number of threads."""

    def __init__(self, catalogue: Path) -> None:
        self._connection = WriteConnection(catalogue, open_beside(catalogue))
        self._lock = threading.Lock()
        with self._connection.plain() as connection:
            connection.execute(KEYS)

    @classmethod
    def open(cls, folder: Path) -> "KeyTable":
        """The keys of a data folder; the folder is made where nothing is, as a server would make it."""
        if not has_catalogue(folder):
            DataFolder.open(folder).close()
        return cls(folder / CATALOGUE_NAME)

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._connection.close()

    def add(self, key: ApiKey, digest: bytes) -> None:
        """Keep a key's digest; the key counts from now on."""
        with self._lock, self._connection.transaction() as connection:
            connection.execute(
                "INSERT INTO keys VALUES (?, ?, ?, ?)", (key.id, key.name, digest, to_microseconds(key.created_at))
            )

    def remove(self, key_id: str) -> ApiKey:
        """Forget a key, which was this one; `NotFound` when there is none of this id."""
        with self._lock, self._connection.transaction() as connection:
            found = fetch_one(connection, "DELETE FROM keys WHERE id = ? RETURNING id, name, created_at", (key_id,))
        if found is None:
            raise NotFound("API key", key_id)
        return _key(*found)

    def keys(self) -> list[ApiKey]:
        """All keys, the oldest first."""
        with self._lock, self._connection.plain() as connection:
            return [_key(*row) for row in fetch(connection, "SELECT id, name, created_at FROM keys ORDER BY id")]

    def digests(self) -> frozenset[bytes]:
        """What the keys that count digest to."""
        with self._lock, self._connection.plain() as connection:
            return frozenset(digest for (digest,) in fetch(connection, "SELECT digest FROM keys"))

    def changes(self) -> int:
        """A number that differs whenever another connection, of any process, has written to the catalogue since."""
        with self._lock, self._connection.plain() as connection:
            return int(connection.pragma("data_version"))


def has_catalogue(folder: Path) -> bool:
    """Whether the folder is a data folder with a catalogue. `FormatUnsupported` when it is newer or not Quire's."""
    check_marker(folder)
    catalogue = folder / CATALOGUE_NAME
    return catalogue.is_file() and catalogue.stat().st_size > 0


def _key(identifier: str, name: str, created_at: int) -> ApiKey:
    return ApiKey(identifier, name, from_microseconds(created_at))
