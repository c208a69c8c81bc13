"""How much at once and how fast: requests in flight, requests of one key."""

import time
from collections import Counter
from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from quiredb.api.errors import RateLimited
from quiredb.api.middleware.admission import EXEMPT_PATHS
from quiredb.api.middleware.authentication import network_of
from quiredb.api.problems import problem_response
from quiredb.api.rights import principal_of
from quiredb.domain.errors import Overloaded, QuireError
from quiredb.domain.rates import TokenBuckets

Clock = Callable[[], float]


class RequestLimits:
    """Refuses what would be one request too many. Probes and metrics are always let in.

    Who asks is a key or, without one, an address. One alone gets half of the places, so that answers which it does not
    read starve nobody else.

    Args:
        at_once_max: requests in flight.
        per_second_max: requests of one key (or of all who need none) in the long run, twice as many in a burst; 0: any.
    """

    def __init__(self, app: ASGIApp, at_once_max: int, per_second_max: int, clock: Clock = time.monotonic) -> None:
        self._app = app
        self._at_once_max = at_once_max
        self._of_one_max = (at_once_max + 1) // 2
        self._at_once = 0
        self._of_one: Counter[str] = Counter()
        self._buckets = TokenBuckets(per_second_max, 2 * per_second_max, clock) if per_second_max else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http" or scope["path"] in EXEMPT_PATHS:
            await self._app(scope, receive, send)
            return
        asker = _asker(scope)
        refusal = self._refusal(scope, asker)
        if refusal is not None:
            await problem_response(scope, refusal)(scope, receive, send)
            return
        self._at_once += 1
        self._of_one[asker] += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._at_once -= 1
            self._of_one[asker] -= 1
            if not self._of_one[asker]:
                del self._of_one[asker]

    def _refusal(self, scope: Scope, asker: str) -> QuireError | None:
        if self._at_once >= self._at_once_max:
            return Overloaded(f"{self._at_once_max} requests are in flight, which is all the server takes at once.")
        if self._of_one[asker] >= self._of_one_max:
            return Overloaded(f"{self._of_one_max} requests of yours are in flight, which is all that one may have.")
        if self._buckets is None:
            return None
        wait = self._buckets.take(principal_of(scope).key_id or "")
        return None if wait == 0 else RateLimited("This key has sent more requests than it may; slow down.", wait)


def _asker(scope: Scope) -> str:
    """The key's id, or without a key the address, if there is one."""
    key_id = principal_of(scope).key_id
    if key_id is not None:
        return key_id
    client = scope.get("client")
    return "" if client is None else network_of(client[0])
