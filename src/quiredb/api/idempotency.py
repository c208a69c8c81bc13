"""The Idempotency-Key header: the same key and body bring back the first answer."""

from hashlib import blake2b

from quiredb.domain.commands import IdempotencyToken
from quiredb.domain.errors import ValidationFailed
from quiredb.domain.limits import IDEMPOTENCY_KEY_CHARACTERS_MAX


def idempotency_token(route: str, key: str | None, body: bytes) -> IdempotencyToken | None:
    """The token of a request on a route template, or None when it carries no key.

    Raises:
        ValidationFailed: the key is empty, too long, or not printable ASCII.
    """
    if key is None:
        return None
    if not 1 <= len(key) <= IDEMPOTENCY_KEY_CHARACTERS_MAX or not (key.isascii() and key.isprintable()):
        raise ValidationFailed.at(
            "/header/Idempotency-Key",
            "idempotency-key",
            f"An idempotency key has 1 to {IDEMPOTENCY_KEY_CHARACTERS_MAX} printable ASCII characters.",
        )
    return IdempotencyToken(f"{route} {key}", blake2b(body, digest_size=16).hexdigest())
