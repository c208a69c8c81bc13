"""API keys: making and revoking them, and the question that a server asks for every request."""

import threading
import time
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from pathlib import Path

from quiredb.domain.errors import NotFound, StorageFailed
from quiredb.domain.keys import ApiKey, KeyDraft, digest_of, new_key, new_key_id
from quiredb.domain.rights import EVERYBODY, Principal
from quiredb.domain.times import now
from quiredb.storage.health import DatabaseHealth
from quiredb.storage.keys import KeyTable, has_catalogue

SECONDS_BETWEEN_LOOKS = 0.5


def create_key(folder: Path, draft: KeyDraft, health: DatabaseHealth | None = None) -> tuple[ApiKey, str]:
    """Make a key for a data folder, which is made where nothing is. The second part is the key: nothing keeps it.

    Whoever has the folder open gives the `health` of its catalogue, here and below.
    """
    described = draft.to_key(new_key_id(), now())
    key = new_key(described.id)
    with closing(KeyTable.open(folder, health)) as table:
        table.add(described, digest_of(key.encode()))
    return described, key


def list_keys(folder: Path, health: DatabaseHealth | None = None) -> list[ApiKey]:
    """The keys of a data folder, the oldest first; none where there is no folder."""
    if not has_catalogue(folder):
        return []
    with closing(KeyTable.open(folder, health)) as table:
        return table.keys()


def revoke_key(folder: Path, key_id: str, health: DatabaseHealth | None = None) -> ApiKey:
    """Make a key worthless: a running server stops accepting it within a second. Raises `NotFound`."""
    if not has_catalogue(folder):
        raise NotFound("API key", key_id)
    with closing(KeyTable.open(folder, health)) as table:
        return table.remove(key_id)


class KeyRing:
    """The keys as a running server knows them: looked at again when the catalogue has changed, twice a second at most.

    Once a key is `required`, by the caller or because one existed, it stays so until the server ends: revoking the last
    key must not open a server to everybody.
    """

    def __init__(
        self,
        folder: Path,
        *,
        required: bool,
        clock: Callable[[], float] = time.monotonic,
        calendar: Callable[[], datetime] = now,
        health: DatabaseHealth | None = None,
    ) -> None:
        self._folder = folder
        self._health = health
        self._table = KeyTable.open(folder, health)
        self._clock = clock
        self._calendar = calendar
        self._lock = threading.Lock()
        self._required = required
        self._known: dict[bytes, tuple[ApiKey, Principal]] = {}
        self._uses: dict[str, datetime] = {}
        self._changes: int | None = None
        self._looked_at = float("-inf")

    def identify(self, key: bytes | None) -> Principal | None:
        """Who shows this key, or none; None when they may not pass. An error of the storage is raised: nobody passes.

        The look-up is by digest, so its time tells nothing about the keys there are.
        """
        with self._lock:
            self._look()
            if not self._required:
                return EVERYBODY
            found = None if key is None else self._known.get(digest_of(key))
            if found is None:
                return None
            at = self._calendar()
            described, principal = found
            if not described.counts_at(at):
                return None
            self._uses[described.id] = at
            return principal

    def record_uses(self) -> None:
        """Write down which keys were used since the last time. It waits for the disk: not for the event loop.

        What the disk refuses is kept for the next time, as far as the keys still exist.
        """
        with self._lock:
            uses, self._uses = self._uses, {}
        if not uses:
            return
        try:
            with closing(KeyTable.open(self._folder, self._health)) as table:
                table.record_uses(uses)
        except StorageFailed:
            self._record_later(uses)
            raise

    def close(self) -> None:
        """Write down the last uses and close the catalogue."""
        try:
            self.record_uses()
        finally:
            self._table.close()

    def _record_later(self, uses: dict[str, datetime]) -> None:
        with self._lock:
            existing = {described.id for described, _ in self._known.values()}
            kept = {key_id: at for key_id, at in uses.items() if key_id in existing}
            self._uses = {**kept, **self._uses}

    def _look(self) -> None:
        looked_at = self._clock()
        if looked_at - self._looked_at < SECONDS_BETWEEN_LOOKS:
            return
        changes = self._table.changes()
        if changes != self._changes:
            self._known = {digest: (key, key.principal) for digest, key in self._table.by_digest().items()}
            self._required = self._required or bool(self._known)
            self._changes = changes
        self._looked_at = looked_at
