"""API keys: what one looks like, and what is kept of it. The key itself is shown once and never stored."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime

from quiredb.domain.errors import ValidationFailed
from quiredb.domain.identifiers import check_identifier
from quiredb.domain.rights import Principal, Role

KEY_PREFIX = "quire_"
KEY_NAME_CHARACTERS_MAX = 100
KEY_LIBRARIES_MAX = 100
_ID_BYTES = 6
_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is known of a key. `libraries` None: all; `last_used_at` is kept to the minute."""

    id: str
    name: str
    created_at: datetime
    role: Role = Role.SERVER_ADMIN
    libraries: tuple[str, ...] | None = None
    expires_at: datetime | None = None
    last_used_at: datetime | None = None

    @property
    def principal(self) -> Principal:
        """Whoever shows this key."""
        return Principal(self.id, self.role.rights, None if self.libraries is None else frozenset(self.libraries))

    def counts_at(self, instant: datetime) -> bool:
        """Whether the key has not expired."""
        return self.expires_at is None or instant < self.expires_at


@dataclass(frozen=True, slots=True)
class KeyDraft:
    """A key to be made."""

    name: str
    role: Role = Role.SERVER_ADMIN
    libraries: tuple[str, ...] | None = None
    expires_at: datetime | None = None

    def to_key(self, key_id: str, at: datetime) -> ApiKey:
        """The key of this draft, or `ValidationFailed` for what makes no sense."""
        if self.libraries is not None:
            _check_libraries(self.role, self.libraries)
        if self.expires_at is not None and self.expires_at <= at:
            raise ValidationFailed.at("/expires_at", "in-the-past", "A key expires in the future.")
        libraries = None if self.libraries is None else tuple(sorted(set(self.libraries)))
        return ApiKey(key_id, _checked_name(self.name), at, self.role, libraries, self.expires_at)


def new_key_id() -> str:
    """What names a key to people, in lists and in the audit log: random, and no secret."""
    return secrets.token_hex(_ID_BYTES)


def new_key(key_id: str) -> str:
    """A key that nobody can guess: the prefix, its id, and 32 random bytes in hexadecimal."""
    return f"{KEY_PREFIX}{key_id}_{secrets.token_hex(_SECRET_BYTES)}"


def digest_of(key: bytes) -> bytes:
    """SHA-256 of a key. A fast digest without salt is enough for 256 random bits: there is nothing to guess from."""
    return hashlib.sha256(key).digest()


def _checked_name(name: str) -> str:
    if name.strip() and len(name) <= KEY_NAME_CHARACTERS_MAX and name.isprintable():
        return name
    raise ValidationFailed.at(
        "/name", "key-name", f"The name of a key is 1 to {KEY_NAME_CHARACTERS_MAX} printable characters."
    )


def _check_libraries(role: Role, libraries: tuple[str, ...]) -> None:
    if not role.is_for_libraries:
        raise ValidationFailed.at(
            "/libraries", "key-libraries", f"The role {role} is for the whole server; choose read, write or admin."
        )
    if not 1 <= len(libraries) <= KEY_LIBRARIES_MAX:
        raise ValidationFailed.at(
            "/libraries", "key-libraries", f"Name 1 to {KEY_LIBRARIES_MAX} libraries, or leave them out for all."
        )
    for number, library in enumerate(libraries):
        check_identifier(library, f"/libraries/{number}")
