"""Who asks: everybody while no key is required, else whoever shows a key that the server knows."""

import re
import time
from collections.abc import Callable
from typing import TypeAlias

from starlette.types import ASGIApp, Receive, Scope, Send

from quiredb.api.errors import RateLimited, Unauthenticated
from quiredb.api.problems import problem_response
from quiredb.domain.errors import QuireError
from quiredb.domain.limits import FAILED_LOGINS_PER_MINUTE_MAX
from quiredb.domain.rates import TokenBuckets
from quiredb.domain.rights import EVERYBODY, NOBODY, Principal

Identify: TypeAlias = Callable[[bytes | None], Principal | None]
"""Who shows this key, or none; None when they may not pass."""

ALIVE_PATH = "/livez"
FREE_PATHS = frozenset({ALIVE_PATH, "/readyz", "/startupz", "/version"})
"""What probes and load balancers ask, without a key and by exactly these paths."""

_FREE_METHODS = frozenset({"GET", "HEAD"})
_BEARER = re.compile(rb"bearer +([A-Za-z0-9._~+/-]+=*)", re.IGNORECASE)
_POLICY_VIOLATION = 1008


class Authentication:
    """Refuses before anything of the request but its method, path and `Authorization` is looked at.

    Keys that do not count are refused more slowly after ten in a minute from one address; keys that count never are.

    Puts the `Principal` into `scope["state"]["principal"]`; free paths have one too, which may be `NOBODY`.
    """

    def __init__(self, app: ASGIApp, identify: Identify, clock: Callable[[], float] = time.monotonic) -> None:
        self._app = app
        self._identify = identify
        limit = FAILED_LOGINS_PER_MINUTE_MAX
        self._failures = TokenBuckets(limit / 60, limit, clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        found = _who_probes(scope, self._identify) if _is_free(scope) else self._who_asks(scope)
        if isinstance(found, Principal):
            scope.setdefault("state", {})["principal"] = found
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await problem_response(scope, found)(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION})

    def _who_asks(self, scope: Scope) -> Principal | QuireError:
        key = bearer_key(scope)
        try:
            found = self._identify(key)
        except QuireError as error:
            return error
        if found is not None:
            return found
        wait = 0.0 if key is None or not scope.get("client") else self._failures.take(network_of(scope["client"][0]))
        if wait:
            return RateLimited("Too many keys that do not count came from this address; wait.", wait)
        return Unauthenticated("Send a valid API key as `Authorization: Bearer <key>`; `quire key create` makes one.")


def everybody(_: bytes | None) -> Principal:
    """For applications that ask nobody for a key."""
    return EVERYBODY


def bearer_key(scope: Scope) -> bytes | None:
    """The key of the only `Authorization` header (RFC 6750), or None when it is missing, doubled or malformed."""
    values = [value for name, value in scope["headers"] if name == b"authorization"]
    found = _BEARER.fullmatch(values[0]) if len(values) == 1 else None
    return None if found is None else found[1]


def network_of(address: str) -> str:
    """Who owns an address: IPv6 customers have 2^64 of them."""
    return ":".join(address.split(":")[:4]) if ":" in address else address


def _who_probes(scope: Scope, identify: Identify) -> Principal:
    """Probes are answered whatever the keys say; whether the process is alive is asked without a look at the disk."""
    if scope["path"] == ALIVE_PATH:
        return NOBODY
    try:
        return identify(bearer_key(scope)) or NOBODY
    except QuireError:
        return NOBODY


def _is_free(scope: Scope) -> bool:
    return scope["type"] == "http" and scope["path"] in FREE_PATHS and scope["method"] in _FREE_METHODS
