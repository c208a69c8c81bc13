"""HTTP connections of clients that are slow, greedy or malicious: sizes, deadlines, and what the parser refuses."""

import asyncio
import re
import sys
from enum import Enum, auto
from typing import Any, NoReturn

import httptools
import orjson
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from quiredb.api.bodies import NDJSON
from quiredb.api.errors import BadRequest, HeadersTooLarge, MethodNotAllowed, RequestTimeout, UriTooLong
from quiredb.api.middleware.answer_headers import security_headers
from quiredb.api.problems import PROBLEM_MEDIA_TYPE, problem_document, problem_headers
from quiredb.cli.joined_writes import JoiningProtocol
from quiredb.domain.errors import Overloaded, QuireError
from quiredb.domain.identifiers import new_identifier
from quiredb.domain.limits import (
    ANSWER_SECONDS_UNREAD_MAX,
    BODY_BYTES_PER_SECOND_MIN,
    BODY_SECONDS_JUDGED,
    HEAD_BYTES_MAX,
    HEAD_SECONDS_MAX,
    HEADERS_MAX,
    IMPORT_SECONDS_SILENT_MAX,
    URL_BYTES_MAX,
)

_METHODS = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
_REQUEST_LINE = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64} [!-~]+ HTTP/1\.[01]\r?\n")
_STREAM_TYPE = NDJSON.encode()
_HEAD_FIELD_OVERHEAD = 4


class _Refused(Exception):
    """Ends the parsing of a request that is answered with `error`."""

    def __init__(self, error: QuireError) -> None:
        super().__init__(error.detail)
        self.error = error


class _Stage(Enum):
    """What the server waits for from a client."""

    FIRST_HEAD = auto()
    NOTHING = auto()
    HEAD = auto()
    BODY = auto()
    AFTER_ANSWER = auto()


class GuardedProtocol(JoiningProtocol):
    """uvicorn's HTTP protocol with the limits of `domain/limits.py`.

    Time passes by `look`, which the server calls once a second for every connection: a request costs no timers, and a
    server that is busy is more patient.
    """

    connections_max = 1024

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._stage = _Stage.FIRST_HEAD
        self._waited = 0
        self._unread_for = 0
        self._unread = 0
        self._body_bytes = 0
        self._head_bytes = 0
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected; one too many is told so."""
        super().connection_made(transport)
        if len(self.connections) > self.connections_max:
            self._answer(Overloaded(f"{self.connections_max} connections are open, which is all the server takes."))

    def data_received(self, data: bytes) -> None:
        """Bytes came. A head is bounded also while its end is not in sight."""
        self._received = data
        super().data_received(data)
        self._received = b""
        if self._stage is _Stage.HEAD and not self.transport.is_closing():
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES_MAX + URL_BYTES_MAX:
                self._answer(_headers_too_large())
        elif self._stage is _Stage.NOTHING and self.cycle.response_complete:
            # An empty line, or the end of a body that was refused: uvicorn takes it for a request and waits for ever.
            self._stage, self._waited = _Stage.AFTER_ANSWER, 0

    def on_message_begin(self) -> None:
        """The first bytes of a request."""
        super().on_message_begin()
        self._stage, self._waited, self._head_bytes = _Stage.HEAD, 0, 0

    def on_url(self, url: bytes) -> None:
        """A part of the address."""
        super().on_url(url)
        if len(self.url) > URL_BYTES_MAX:
            _refuse(UriTooLong(f"An address has at most {URL_BYTES_MAX} bytes."))

    def on_headers_complete(self) -> None:
        """The head is whole."""
        size = sum(len(name) + len(value) + _HEAD_FIELD_OVERHEAD for name, value in self.headers)
        if size > HEAD_BYTES_MAX or len(self.headers) > HEADERS_MAX:
            _refuse(_headers_too_large())
        self._stage, self._waited, self._body_bytes = _Stage.BODY, 0, 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._stage = _Stage.NOTHING
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """An answer is written. What is left of a body that it did not wait for must come soon."""
        if self._stage is _Stage.BODY and self.cycle.response_complete:
            self._stage, self._waited = _Stage.AFTER_ANSWER, 0
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  (uvicorn's words; ours say more)
        """Answer what the parser refused, which is being handled now, and close."""
        cause = sys.exception() if sys.version_info >= (3, 12) else sys.exc_info()[1]
        if cause is not None and isinstance(cause.__context__, _Refused):
            self._answer(cause.__context__.error)
        elif isinstance(cause, httptools.HttpParserInvalidMethodError) and _REQUEST_LINE.match(self._received):
            self._answer(MethodNotAllowed(_METHODS))
        else:
            self._answer(BadRequest("This is no HTTP/1.1 request that can be read in one way only."))

    def look(self) -> None:
        """A second has passed."""
        self._judge_reading()
        if self.transport.is_closing() or self._stage is _Stage.NOTHING:
            return
        self._waited += 1
        if self._stage is _Stage.BODY:
            self._judge_body()
        elif self._waited <= HEAD_SECONDS_MAX:
            return
        elif self._stage is _Stage.AFTER_ANSWER:
            self.transport.close()
        else:
            self._answer(RequestTimeout(f"A head must come within {HEAD_SECONDS_MAX} seconds."))

    def _judge_body(self) -> None:
        """A body that the server itself does not take in at the moment is not slow."""
        streams = any(name == b"content-type" and value.startswith(_STREAM_TYPE) for name, value in self.headers)
        judged, enough = (
            (IMPORT_SECONDS_SILENT_MAX, 1)
            if streams
            else (BODY_SECONDS_JUDGED, BODY_BYTES_PER_SECOND_MIN * BODY_SECONDS_JUDGED)
        )
        if self.flow.read_paused or (streams and self._body_bytes >= enough):
            self._waited, self._body_bytes = 0, 0
        elif self._waited >= judged:
            if self._body_bytes < enough:
                self._answer(RequestTimeout(f"A body must come with {BODY_BYTES_PER_SECOND_MIN} bytes a second."))
            self._waited, self._body_bytes = 0, 0

    def _judge_reading(self) -> None:
        """End connections whose client does not read its answer, also those that close once it is read."""
        unread = self.transport.get_write_buffer_size()
        self._unread_for = self._unread_for + 1 if unread and unread == self._unread else 0
        self._unread = unread
        if self._unread_for > ANSWER_SECONDS_UNREAD_MAX:
            self.transport.abort()

    def _answer(self, error: QuireError) -> None:
        """Refuse and close."""
        if self._may_answer():
            self.transport.write(_refusal(error, self.scheme or "http"))
        self.transport.close()

    def _may_answer(self) -> bool:
        """Whether an answer would be taken for that of the request that is refused."""
        if self.pipeline:
            return False
        if self._stage is _Stage.BODY:
            return not self.cycle.response_started
        return self.cycle is None or self.cycle.response_complete


def guarded(connections_max: int) -> type[GuardedProtocol]:
    """The protocol of a server that takes so many connections."""
    return type("GuardedProtocol", (GuardedProtocol,), {"connections_max": connections_max})


def _refuse(error: QuireError) -> NoReturn:
    raise _Refused(error)


def _headers_too_large() -> HeadersTooLarge:
    return HeadersTooLarge(f"Headers have at most {HEAD_BYTES_MAX} bytes and number at most {HEADERS_MAX}.")


def _refusal(error: QuireError, scheme: str) -> bytes:
    """A whole answer, made without the application."""
    request_id = new_identifier()
    problem = problem_document(error, "/", request_id)
    body = orjson.dumps(problem)
    headers = {
        "content-type": PROBLEM_MEDIA_TYPE,
        "content-length": str(len(body)),
        "connection": "close",
        "x-request-id": request_id,
        **problem_headers(error),
    }
    lines = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    head = b"".join(name + b": " + value + b"\r\n" for name, value in [*lines, *security_headers(scheme)])
    return STATUS_LINE[problem["status"]] + head + b"\r\n" + body
