"""API keys: making and revoking them, and the question that a server asks for every request."""

import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from quiredb.domain.errors import NotFound
from quiredb.domain.identifiers import new_identifier
from quiredb.domain.keys import ApiKey, check_key_name, digest_of, new_key
from quiredb.domain.times import now
from quiredb.storage.keys import KeyTable, has_catalogue

SECONDS_BETWEEN_LOOKS = 0.5


def create_key(folder: Path, name: str) -> tuple[ApiKey, str]:
    """Make a key for a data folder, which is made where nothing is. The second part is the key: nothing keeps it."""
    described = ApiKey(new_identifier(), check_key_name(name), now())
    key = new_key()
    with closing(KeyTable.open(folder)) as table:
        table.add(described, digest_of(key.encode()))
    return described, key


def list_keys(folder: Path) -> list[ApiKey]:
    """The keys of a data folder, the oldest first; none where there is no folder."""
    if not has_catalogue(folder):
        return []
    with closing(KeyTable.open(folder)) as table:
        return table.keys()


def revoke_key(folder: Path, key_id: str) -> ApiKey:
    """Make a key worthless: a running server stops accepting it within a second. Raises `NotFound`."""
    if not has_catalogue(folder):
        raise NotFound("API key", key_id)
    with closing(KeyTable.open(folder)) as table:
        return table.remove(key_id)


class KeyRing:
    """The keys as a running server knows them: looked at again when the catalogue has changed, twice a second at most.

    Once a key is `required`, by the caller or because one existed, it stays so until the server ends: revoking the last
    key must not open a server to everybody.
    """

    def __init__(self, table: KeyTable, *, required: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._table = table
        self._clock = clock
        self._lock = threading.Lock()
        self._required = required
        self._digests: frozenset[bytes] = frozenset()
        self._changes: int | None = None
        self._looked_at = float("-inf")

    @classmethod
    def open(cls, folder: Path, *, required: bool) -> "KeyRing":
        """The keys of a data folder."""
        return cls(KeyTable.open(folder), required=required)

    def admits(self, key: bytes | None) -> bool:
        """Whether a request with this key, or with none, may pass. An error of the storage admits nobody: it is raised.

        The look-up is by digest, so its time tells nothing about the keys there are.
        """
        with self._lock:
            self._look()
            if not self._required:
                return True
            return key is not None and digest_of(key) in self._digests

    def close(self) -> None:
        """Close the catalogue."""
        self._table.close()

    def _look(self) -> None:
        looked_at = self._clock()
        if looked_at - self._looked_at < SECONDS_BETWEEN_LOOKS:
            return
        changes = self._table.changes()
        if changes != self._changes:
            self._digests = self._table.digests()
            self._required = self._required or bool(self._digests)
            self._changes = changes
        self._looked_at = looked_at
