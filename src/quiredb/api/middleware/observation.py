"""One log line and one set of metrics for every request."""

import logging
import time

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from quiredb.api.metrics import Metrics

_PATH_CHARACTERS_MAX = 512
_CLIENT_GONE = 499
_log = logging.getLogger("quiredb.access")


class Observation:
    """Measures requests from the head to the end of the answer. Logs never hold bodies or header values.

    The status of an answer is in `scope["state"]["status"]` as soon as the answer begins.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        state = scope["state"]

        async def send_noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                state["status"] = message["status"]
            await send(message)

        self._metrics.begin()
        try:
            await self._app(scope, receive, send_noting)
        finally:
            self._end(scope, state.get("status", _CLIENT_GONE), time.perf_counter() - started)

    def _end(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "unmatched")
        self._metrics.end(route, scope["method"], status, seconds)
        if _log.isEnabledFor(logging.INFO):
            line = {
                "event": "request",
                "request_id": scope["state"]["request_id"],
                "method": scope["method"][:16],
                "path": scope["path"][:_PATH_CHARACTERS_MAX].encode("utf-8", "replace").decode(),
                "route": route,
                "library": scope.get("path_params", {}).get("library"),
                "key_id": principal.key_id if (principal := scope["state"].get("principal")) else None,
                "status": status,
                "code": scope["state"].get("problem"),
                "duration_s": round(seconds, 6),
            }
            # As `info` does, but without a look through the stack for who calls it.
            _log.handle(_log.makeRecord(_log.name, logging.INFO, "", 0, orjson.dumps(line).decode(), (), None))
