"""What a request must find before anything of it is read: a server that goes on, and memory."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from quiredb.api.problems import problem_response
from quiredb.domain.admission import Reservation
from quiredb.domain.errors import QuireError
from quiredb.services.health import HealthService

EXEMPT_PATHS = frozenset({"/livez", "/readyz", "/startupz", "/metrics"})
"""What operators ask while the server is in need."""


class Admission:
    """Refuses with 503 what the server cannot take on: all while it ends, and what memory does not suffice for.

    `scope["state"]["memory"]` is the request's reservation: whoever receives and decodes its body lets it grow before,
    and it ends with the answer. Removing is allowed without memory to spare.
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
        with Reservation(memory) as reservation:
            try:
                self._health.require_open()
                if scope["method"] != "DELETE":
                    memory.require_room()
            except QuireError as refusal:
                await problem_response(scope, refusal)(scope, receive, send)
                return
            scope["state"]["memory"] = reservation
            await self._app(scope, receive, send)


def _closing(send: Send) -> Send:
    """Tells the client to come on another connection, if it comes back."""

    async def send_closing(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], (b"connection", b"close")]
        await send(message)

    return send_closing
