"""A client as plain as can be: one request, one answer, nothing repeated, and plainly cut when the server goes away."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import orjson

TIMEOUT_SECONDS = 60.0


class Cut(Exception):
    """The connection broke before the answer was read to its end. `sent`: the request may have been received."""

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent


class Refused(Exception):
    """What must succeed did not; the message is the answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_done(self) -> bool:
        """Whether what was asked was done."""
        return 200 <= self.status < 300

    def json(self) -> Any:
        """The decoded body."""
        return orjson.loads(self.body)

    def lines(self) -> list[Any]:
        """The decoded lines of an NDJSON body."""
        return [orjson.loads(line) for line in self.body.splitlines()]

    def __str__(self) -> str:
        return f"{self.status} {self.body[:300].decode(errors='replace')}"


class Wire:
    """One connection to a server on loopback, for one thread. Close it, or use it in a `with` statement."""

    def __init__(self, port: int, timeout: float = TIMEOUT_SECONDS, context: ssl.SSLContext | None = None) -> None:
        """`context`: what TLS is spoken with, if it is."""
        self._connection = (
            http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
            if context is None
            else http.client.HTTPSConnection("127.0.0.1", port, timeout=timeout, context=context)
        )

    def connect(self) -> None:
        """Connect now, and not with the first request."""
        self._connection.connect()

    def ask(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        """Send one request and read its answer. A body that is no bytes goes as JSON, bytes as NDJSON or as told."""
        given = dict(headers or {})
        if isinstance(body, bytes):
            given.setdefault("content-type", "application/x-ndjson")
        elif body is not None:
            given["content-type"] = "application/json"
            body = orjson.dumps(body)
        try:
            self._connection.request(method, path, body, given)
            response = self._connection.getresponse()
            read = response.read()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise Cut(repr(error), sent=not isinstance(error, ConnectionRefusedError)) from error
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, read)

    def demand(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        """As `ask`, of what must succeed. `Refused` when it does not."""
        answer = self.ask(method, path, body, headers)
        if not answer.is_done:
            raise Refused(f"{method} {path} was answered {answer}")
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
