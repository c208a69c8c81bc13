"""An id for every request: the caller's, where it is safe to repeat, or one made here."""

import re

from starlette.types import ASGIApp, Receive, Scope, Send

from quiredb.domain.identifiers import new_identifier

_HEADER = b"x-request-id"
_SAFE = re.compile(rb"[A-Za-z0-9._\-]{8,64}\Z")


class RequestIdentity:
    """Puts the id into `scope["state"]["request_id"]`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "http":
            given = next((value for name, value in scope["headers"] if name == _HEADER), b"")
            identifier = given.decode("ascii") if _SAFE.match(given) else new_identifier()
            scope.setdefault("state", {})["request_id"] = identifier
        await self._app(scope, receive, send)
