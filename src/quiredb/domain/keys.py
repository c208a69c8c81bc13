"""API keys: what one looks like, and what is kept of it. The key itself is shown once and never stored."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime

from quiredb.domain.errors import ValidationFailed

KEY_PREFIX = "quire_"
KEY_NAME_CHARACTERS_MAX = 100
_RANDOM_BYTES = 32


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is known of a key: enough to tell it from others and to revoke it."""

    id: str
    name: str
    created_at: datetime


def new_key() -> str:
    """A key that nobody can guess: the prefix and 32 random bytes in base64url."""
    return KEY_PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)


def digest_of(key: bytes) -> bytes:
    """SHA-256 of a key. A fast digest without salt is enough for 256 random bits: there is nothing to guess from."""
    return hashlib.sha256(key).digest()


def check_key_name(name: str) -> str:
    """`name` itself, or `ValidationFailed` when a list could not show it."""
    if name.strip() and len(name) <= KEY_NAME_CHARACTERS_MAX and name.isprintable():
        return name
    raise ValidationFailed.at(
        "/name", "key-name", f"The name of a key is 1 to {KEY_NAME_CHARACTERS_MAX} printable characters."
    )
