"""API keys, for those who may make them."""

from pathlib import Path

from quiredb.domain.keys import ApiKey, KeyDraft
from quiredb.repositories.keys import create_key, list_keys, revoke_key


class KeyService:
    """Use cases on the keys of one data folder. A server heeds what changes within a second."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def create(self, draft: KeyDraft) -> tuple[ApiKey, str]:
        """Make a key. The second part is the key itself, which nothing keeps."""
        return create_key(self._folder, draft)

    def list(self) -> list[ApiKey]:
        """All keys, the oldest first."""
        return list_keys(self._folder)

    def revoke(self, key_id: str) -> ApiKey:
        """Make a key worthless; `NotFound` when there is none of this id."""
        return revoke_key(self._folder, key_id)
