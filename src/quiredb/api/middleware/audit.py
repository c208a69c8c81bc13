"""Who changed what, and who was turned away: a line for each, without contents and without keys."""

import logging
from collections.abc import Callable
from typing import TypeAlias

from starlette.types import ASGIApp, Receive, Scope, Send

from quiredb.api.rights import DENIED, RIGHTS
from quiredb.domain.errors import StorageFailed
from quiredb.domain.rights import NOBODY, Right
from quiredb.domain.times import format_instant, now

Record: TypeAlias = Callable[[dict[str, str | int | None]], None]
"""Keeps a line; StorageFailed when it cannot."""

_CHANGING = frozenset({Right.WRITE, Right.ADMIN, Right.SERVER})
_REFUSALS = frozenset({401, 403, 429})
_log = logging.getLogger("quiredb.api")


class Audit:
    """Records every write, every act of an administrator and every denial once it has been answered."""

    def __init__(self, app: ASGIApp, record: Record) -> None:
        self._app = app
        self._record = record

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            await self._app(scope, receive, send)
        finally:
            self._note(scope)

    def _note(self, scope: Scope) -> None:
        status: int = scope["state"].get("status", 0)
        operation: str | None = getattr(scope.get("route"), "operation_id", None)
        denied = status in _REFUSALS or DENIED in scope["state"]
        if not denied and RIGHTS.get(operation or "") not in _CHANGING:
            return
        try:
            self._record(
                {
                    "time": format_instant(now()),
                    "request_id": scope["state"]["request_id"],
                    "key": scope["state"].get("principal", NOBODY).key_id,
                    "address": (scope.get("client") or (None,))[0],
                    "action": operation,
                    "library": scope.get("path_params", {}).get("library"),
                    "status": status,
                    "result": "denied" if denied else "done" if 200 <= status < 300 else "failed",
                }
            )
        except StorageFailed:
            _log.exception("request %s: its audit line could not be written", scope["state"]["request_id"])
