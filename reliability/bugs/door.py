"""Bugs in who is let in."""

from __future__ import annotations

from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from quiredb.api import bodies
from quiredb.api.bodies import StrictRoute
from quiredb.api.middleware import authentication
from quiredb.api.middleware.authentication import FREE_PATHS


def free_metrics() -> None:
    """One route is not asked for a key."""
    authentication.FREE_PATHS = FREE_PATHS | {"/metrics", "/openapi.json"}


def free_by_prefix() -> None:
    """What is free is told by how the path begins, before it is put in order."""
    authentication._is_free = lambda scope: scope["path"].startswith(tuple(FREE_PATHS))


def rights_after_body() -> None:
    """Rights are judged, but only once the body is there."""
    honest = StrictRoute.handle

    async def handle(self: StrictRoute, scope: Scope, receive: Receive, send: Send) -> None:
        body = await Request(scope, receive).body()

        bodies_left = [body]

        async def again() -> Message:
            if bodies_left:
                return {"type": "http.request", "body": bodies_left.pop(), "more_body": False}
            return await receive()

        await honest(self, scope, again, send)

    StrictRoute.handle = handle


def rights_forgotten() -> None:
    """Whoever has a key may do everything."""
    bodies.check_rights = lambda _need, _scope: None
