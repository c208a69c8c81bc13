"""What a request must find before anything of it is read: a server that goes on, and memory."""

import contextlib

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from quiredb.api.problems import problem_response
from quiredb.domain.admission import Reservation
from quiredb.domain.errors import QuireError
from quiredb.services.health import HealthService

EXEMPT_PATHS = frozenset({"/livez", "/readyz", "/startupz", "/metrics"})
"""What operators ask while the server is in need."""

_SMALL_BYTES = 64 * 1024
_BODY_COPIES = 2


class Admission:
    """Refuses with 503 what the server cannot take on: all while it ends, and what memory does not suffice for.

    A body is judged by its announced length before it is received; `scope["state"]["memory"]` is the reservation, which
    grows with what is received and decoded and ends with the answer. Removing is allowed without memory to spare.
    """

    def __init__(self, app: ASGIApp, health: HealthService) -> None:
        self._app = app
        self._health = health

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http" or scope["path"] in EXEMPT_PATHS:
            await self._app(scope, receive, send)
            return
        memory = self._health.memory
        if self._health.is_ending():
            send = _closing(send)
        reservation = Reservation(memory)
        with reservation:
            try:
                self._health.require_open()
                if scope["method"] != "DELETE":
                    memory.require_room()
                announced = _announced_bytes(scope)
                if announced > _SMALL_BYTES:
                    reservation.grow(_BODY_COPIES * announced)
            except QuireError as refusal:
                await problem_response(scope, refusal)(scope, receive, send)
                return
            scope["state"]["memory"] = reservation
            await self._app(scope, receive, send)


def _announced_bytes(scope: Scope) -> int:
    """The length that the request says its body has; 0 when it says none, or none that is a number."""
    for name, value in scope["headers"]:
        if name == b"content-length":
            with contextlib.suppress(ValueError):
                return int(value)
    return 0


def _closing(send: Send) -> Send:
    """Tells the client to come on another connection, if it comes back."""

    async def send_closing(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], (b"connection", b"close")]
        await send(message)

    return send_closing
