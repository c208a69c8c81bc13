"""API keys, for those who may make them."""

from quiredb.domain.keys import ApiKey, KeyDraft
from quiredb.repositories.keys import create_key, list_keys, revoke_key
from quiredb.repositories.libraries import LibraryRepository


class KeyService:
    """Use cases on the keys of one data folder. A server heeds what changes within a second."""

    def __init__(self, repository: LibraryRepository) -> None:
        self._folder = repository.folder.path
        self._health = repository.folder.catalogue.health

    def create(self, draft: KeyDraft) -> tuple[ApiKey, str]:
        """Make a key. The second part is the key itself, which nothing keeps."""
        return create_key(self._folder, draft, self._health)

    def list(self) -> list[ApiKey]:
        """All keys, the oldest first."""
        return list_keys(self._folder, self._health)

    def revoke(self, key_id: str) -> ApiKey:
        """Make a key worthless; `NotFound` when there is none of this id."""
        return revoke_key(self._folder, key_id, self._health)
