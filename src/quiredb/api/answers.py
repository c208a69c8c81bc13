"""Responses: JSON by orjson, with the headers that every answer of a library carries."""

from typing import Any

import numpy as np
import orjson
from starlette.responses import Response

POSITION_HEADER = "X-Quire-Position"
_POSITION_HEADER = POSITION_HEADER.lower().encode("ascii")
REPLAYED_HEADER = "Idempotency-Replayed"


class JsonAnswer(Response):
    """A JSON answer. Float32 arrays become numbers with the fewest digits that name them."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """The bytes of the body."""
        return encoded(content)


class EncodedAnswer(Response):
    """A JSON answer whose body is written already. Its headers are those of `answer`, without the way round."""

    media_type = "application/json"

    def __init__(self, body: bytes, *, position: int) -> None:
        self.status_code = 200
        self.background = None
        self.body = body
        self.raw_headers = [
            (b"content-length", b"%d" % len(body)),
            (b"content-type", b"application/json"),
            (_POSITION_HEADER, b"%d" % position),
        ]


def encoded(content: object) -> bytes:
    """Anything of ours as JSON."""
    return orjson.dumps(content, default=_plain, option=orjson.OPT_SERIALIZE_NUMPY)


def _plain(value: object) -> object:
    """What orjson does not take: arrays that are not aligned in memory."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is not JSON")


def answer(
    content: Any,
    *,
    status: int = 200,
    position: int | None = None,
    etag: str | None = None,
    location: str | None = None,
    replayed: bool = False,
) -> JsonAnswer:
    """A JSON answer with its headers."""
    response = JsonAnswer(content, status_code=status)
    _set_headers(response, position, etag, replayed=replayed)
    if location is not None:
        response.headers["Location"] = location
    return response


def empty(status: int, *, position: int | None = None, etag: str | None = None) -> Response:
    """An answer without a body: 204 or 304."""
    response = Response(status_code=status)
    _set_headers(response, position, etag, replayed=False)
    return response


def _set_headers(response: Response, position: int | None, etag: str | None, *, replayed: bool) -> None:
    if position is not None:
        response.headers[POSITION_HEADER] = str(position)
    if etag is not None:
        response.headers["ETag"] = etag
    if replayed:
        response.headers[REPLAYED_HEADER] = "true"
