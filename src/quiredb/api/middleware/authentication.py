"""Who may ask at all: everybody while no key is required, else whoever shows one that the server knows."""

import re
from collections.abc import Callable
from typing import TypeAlias

from starlette.types import ASGIApp, Receive, Scope, Send

from quiredb.api.errors import Unauthenticated
from quiredb.api.problems import problem_response
from quiredb.domain.errors import QuireError

Admits: TypeAlias = Callable[[bytes | None], bool]
"""Whether a request with this key, or with none, may pass."""

FREE_PATHS = frozenset({"/livez", "/readyz", "/version"})
"""What probes and load balancers ask, without a key and by exactly these paths."""

_FREE_METHODS = frozenset({"GET", "HEAD"})
_BEARER = re.compile(rb"bearer +([A-Za-z0-9._~+/-]+=*)", re.IGNORECASE)
_POLICY_VIOLATION = 1008


class Authentication:
    """Refuses before anything of the request but its method, path and `Authorization` is looked at."""

    def __init__(self, app: ASGIApp, admits: Admits) -> None:
        self._app = app
        self._admits = admits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "lifespan" or _is_free(scope):
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await problem_response(scope, refusal)(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION})

    def _refusal(self, scope: Scope) -> QuireError | None:
        try:
            admitted = self._admits(bearer_key(scope))
        except QuireError as error:
            return error
        if admitted:
            return None
        return Unauthenticated("Send a valid API key as `Authorization: Bearer <key>`; `quire key create` makes one.")


def bearer_key(scope: Scope) -> bytes | None:
    """The key of the only `Authorization` header (RFC 6750), or None when it is missing, doubled or malformed."""
    values = [value for name, value in scope["headers"] if name == b"authorization"]
    found = _BEARER.fullmatch(values[0]) if len(values) == 1 else None
    return None if found is None else found[1]


def _is_free(scope: Scope) -> bool:
    return scope["type"] == "http" and scope["path"] in FREE_PATHS and scope["method"] in _FREE_METHODS
