"""The last resort: a bug becomes a logged 500, and the connection lives on."""

import logging

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from quiredb.api.problems import internal_error, out_of_memory, problem_response

_log = logging.getLogger("quiredb.api")


class InternalErrors:
    """Answers 500 for exceptions that nobody expected. After the answer has begun, it can only break off."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = scope["state"]
        try:
            await self._app(scope, receive, send)
        except ClientDisconnect:
            _log.info("request %s: the client went away", state["request_id"])
        except MemoryError:
            _log.warning("request %s: memory ran out", state["request_id"])
            if "status" in state:
                raise
            await problem_response(scope, out_of_memory())(scope, receive, send)
        except Exception:  # the one place where any exception is a bug to report, not to hide
            _log.exception("request %s failed", state["request_id"])
            if "status" in state:
                raise
            await internal_error(scope)(scope, receive, send)
