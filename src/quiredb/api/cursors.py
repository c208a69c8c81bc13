"""Opaque, signed cursors: the place after which a list goes on, valid for the list that gave it."""

import base64
import binascii
import hmac
from hashlib import blake2b
from typing import TypeAlias

import orjson

from quiredb.domain.errors import ValidationFailed

_SIGNATURE_BYTES = 16
_CURSOR_CHARACTERS_MAX = 1024

Place: TypeAlias = list[str | int]
"""The sort key of the last item that was shown."""


class CursorSigner:
    """Writes and reads cursors with one secret. `scope` names a list: its route and its library."""

    def __init__(self, secret: bytes) -> None:
        self._key = blake2b(secret, digest_size=32, person=b"quire-cursor").digest()

    def write(self, scope: str, place: Place) -> str:
        """The cursor for what follows `place`."""
        payload = orjson.dumps(place)
        return base64.urlsafe_b64encode(self._sign(scope, payload) + payload).decode("ascii").rstrip("=")

    def read(self, scope: str, cursor: str) -> Place:
        """The place that a cursor names.

        Raises:
            ValidationFailed: it was not made here, or for another list.
        """
        signature, payload = _split(cursor)
        if not hmac.compare_digest(signature, self._sign(scope, payload)):
            raise _foreign()
        place: Place = orjson.loads(payload)
        return place

    def _sign(self, scope: str, payload: bytes) -> bytes:
        message = scope.encode() + b"\0" + payload
        return blake2b(message, key=self._key, digest_size=_SIGNATURE_BYTES).digest()


def _split(cursor: str) -> tuple[bytes, bytes]:
    if len(cursor) > _CURSOR_CHARACTERS_MAX or not cursor.isascii():
        raise _foreign()
    try:
        data = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        raise _foreign() from None
    return data[:_SIGNATURE_BYTES], data[_SIGNATURE_BYTES:]


def _foreign() -> ValidationFailed:
    return ValidationFailed.at(
        "/query/cursor", "cursor", "This cursor does not belong to this list. Start again without one."
    )
