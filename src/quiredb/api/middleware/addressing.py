"""Which names the server answers to, and from which pages browsers may ask.

A page that rebinds its own name to this server's address shows in `Host`, one of another site in `Origin`.
"""

import re
from collections.abc import Iterable

from starlette.types import ASGIApp, Receive, Scope, Send

from quiredb.api.errors import BadRequest, OriginDenied
from quiredb.api.middleware.authentication import FREE_PATHS
from quiredb.api.problems import problem_response
from quiredb.domain.errors import QuireError

_HOST = re.compile(rb"([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?")
_HARMLESS = frozenset({"GET", "HEAD"})


class Addressing:
    """Refuses what is addressed to another host, and writes and preflights of pages of another origin.

    `hosts` None: any host that is well formed. Names are compared without port and case. Probes ask by address, so what
    is free is answered under any name.
    """

    def __init__(self, app: ASGIApp, hosts: Iterable[str] | None) -> None:
        self._app = app
        self._hosts = None if hosts is None else frozenset(host.lower().encode() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        refusal = self._refusal(scope) if scope["type"] == "http" else None
        if refusal is None:
            await self._app(scope, receive, send)
        else:
            await problem_response(scope, refusal)(scope, receive, send)

    def _refusal(self, scope: Scope) -> QuireError | None:
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        origins = [value for name, value in scope["headers"] if name == b"origin"]
        named = _HOST.fullmatch(hosts[0]) if len(hosts) == 1 else None
        if named is None:
            return BadRequest("Send one Host header with the name of this server.")
        if self._hosts is not None and named[1].lower() not in self._hosts and scope["path"] not in FREE_PATHS:
            return BadRequest("This server has another name; its operator can add this one with --allowed-host.")
        if not origins or (scope["method"] in _HARMLESS):
            return None
        own = f"{scope['scheme']}://".encode() + hosts[0].lower()
        if len(origins) == 1 and origins[0].lower() == own:
            return None
        return OriginDenied("Pages of other origins may not use this server.")
