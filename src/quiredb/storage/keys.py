"""The API keys of a data folder: a table of digests in the catalogue, used without the folder's lock."""

import threading
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import orjson

from quiredb.domain.errors import FolderInUse, NotFound
from quiredb.domain.keys import ApiKey
from quiredb.domain.rights import Role
from quiredb.domain.times import from_microseconds, to_microseconds
from quiredb.storage.connections import WriteConnection
from quiredb.storage.database import check_format_beside, fetch, fetch_one, open_beside
from quiredb.storage.files import file_bytes, is_file
from quiredb.storage.folder import CATALOGUE_NAME, DataFolder, check_marker, raise_format
from quiredb.storage.health import DatabaseHealth
from quiredb.storage.schema import KEYS
from quiredb.storage.write_ahead_log import has_log

_ALL = """
    SELECT id, name, created_at, role, libraries, expires_at, last_used_at, digest FROM api_keys ORDER BY created_at, id
"""
_REMOVE = """
    DELETE FROM api_keys WHERE id = ?
    RETURNING id, name, created_at, role, libraries, expires_at, last_used_at, digest
"""
_TABLES = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name IN ('api_keys', 'keys')"


class KeyTable:
    """The keys of one data folder. Several processes may have it open at once. For any number of threads.

    `health` is the catalogue's where this process has the folder open.
    """

    def __init__(self, folder: Path, health: DatabaseHealth | None = None) -> None:
        catalogue = folder / CATALOGUE_NAME
        check_format_beside(catalogue)
        self._connection = WriteConnection(catalogue, open_beside(catalogue), health)
        self._lock = threading.Lock()
        self._upgrade(folder)

    @classmethod
    def open(cls, folder: Path, health: DatabaseHealth | None = None) -> "KeyTable":
        """The keys of a data folder; the folder is made where nothing is, as a server would make it.

        What is in the catalogue's log is the business of whoever has the folder. When nobody has, a process that died
        left it, and it is taken over as at a start before keys are read or written.
        """
        if not has_catalogue(folder):
            DataFolder.open(folder).close()
        elif has_log(folder / CATALOGUE_NAME):
            with suppress(FolderInUse):
                DataFolder.open(folder).close()
        return cls(folder, health)

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._connection.close()

    def add(self, key: ApiKey, digest: bytes) -> None:
        """Keep a key's digest; the key counts from now on."""
        libraries = None if key.libraries is None else orjson.dumps(key.libraries).decode()
        times = (to_microseconds(key.created_at), _microseconds(key.expires_at), _microseconds(key.last_used_at))
        with self._lock, self._connection.transaction() as connection:
            connection.execute(
                "INSERT INTO api_keys VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (key.id, key.name, digest, key.role.value, libraries, *times),
            )

    def remove(self, key_id: str) -> ApiKey:
        """Forget a key, which was this one; `NotFound` when there is none of this id."""
        with self._lock, self._connection.transaction() as connection:
            found = fetch_one(connection, _REMOVE, (key_id,))
        if found is None:
            raise NotFound("API key", key_id)
        return _key(*found)

    def keys(self) -> list[ApiKey]:
        """All keys, the oldest first."""
        with self._lock, self._connection.plain() as connection:
            return [_key(*row) for row in fetch(connection, _ALL)]

    def by_digest(self) -> dict[bytes, ApiKey]:
        """All keys by what they digest to."""
        with self._lock, self._connection.plain() as connection:
            return {row[-1]: _key(*row) for row in fetch(connection, _ALL)}

    def record_uses(self, uses: Mapping[str, datetime]) -> None:
        """Keep when keys were last used; those that are gone are passed over."""
        with self._lock, self._connection.transaction() as connection:
            connection.executemany(
                "UPDATE api_keys SET last_used_at = ? WHERE id = ?",
                [(to_microseconds(at), key_id) for key_id, at in uses.items()],
            )

    def changes(self) -> int:
        """A number that differs whenever another connection, of any process, has written to the catalogue since."""
        with self._lock, self._connection.plain() as connection:
            return int(connection.pragma("data_version"))

    def _upgrade(self, folder: Path) -> None:
        """Keys of format 1 had no roles and might do everything: they become server-admins.

        The marker is first: from then on, programs that do not know of roles refuse the folder, and a crash in between
        leaves a folder that this program upgrades again.
        """
        with self._connection.plain() as connection:
            if ("api_keys",) in fetch(connection, _TABLES):
                return
        raise_format(folder)
        with self._connection.transaction() as connection:
            connection.execute(KEYS)
            if ("keys",) in fetch(connection, _TABLES):
                connection.execute(
                    "INSERT INTO api_keys SELECT id, name, digest, ?, NULL, created_at, NULL, NULL FROM keys",
                    (Role.SERVER_ADMIN.value,),
                )
                connection.execute("DROP TABLE keys")


def has_catalogue(folder: Path) -> bool:
    """Whether the folder is a data folder with a catalogue. `FormatUnsupported` when it is newer or not Quire's."""
    check_marker(folder)
    catalogue = folder / CATALOGUE_NAME
    return is_file(catalogue) and file_bytes(catalogue) > 0


def _key(
    identifier: str,
    name: str,
    created_at: int,
    role: str,
    libraries: str | None,
    expires_at: int | None,
    last_used_at: int | None,
    _: bytes,
) -> ApiKey:
    return ApiKey(
        identifier,
        name,
        from_microseconds(created_at),
        Role(role),
        None if libraries is None else tuple(orjson.loads(libraries)),
        None if expires_at is None else from_microseconds(expires_at),
        None if last_used_at is None else from_microseconds(last_used_at),
    )


def _microseconds(instant: datetime | None) -> int | None:
    return None if instant is None else to_microseconds(instant)
