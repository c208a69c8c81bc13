"""Searches go straight to their handler: working out dependencies in general takes longer than a search.

A `DirectRoute` is declared like any other route, so FastAPI describes it and its parameters. The usual request, which
is a path and a body, is answered here; one that says more (a position to wait for, anything in the query string) is
answered by FastAPI, which judges what it says.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from quiredb.api.bodies import StrictRoute, accepted_types, body_model, build_body, check_media_type, read_body
from quiredb.api.dependencies import READ_TERMS_HEADERS, ReadTerms, Services
from quiredb.api.settings import ApiSettings
from quiredb.api.threads import LoopThreads

Endpoint: TypeAlias = Callable[[Services, str, Any, ReadTerms], Response]


class DirectRoute(StrictRoute):
    """A route whose endpoint takes (services, library, body, terms)."""

    def __init__(self, path: str, endpoint: Endpoint, **declared: Any) -> None:
        super().__init__(path, endpoint, **declared)
        self._endpoint = endpoint
        self._model = body_model(self)
        self._accepted = accepted_types(self)
        self._fastapi = self.app
        self.app = self._answer

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["query_string"] or any(name in READ_TERMS_HEADERS for name, _ in scope["headers"]):
            await self._fastapi(scope, receive, send)
            return
        request = Request(scope, receive)
        state = scope["app"].state
        settings: ApiSettings = state.settings
        services: Services = state.services
        check_media_type(request, self._accepted)
        raw = await read_body(request, settings.body_bytes_max)
        library: str = scope["path_params"]["library"]
        threads: LoopThreads = state.threads
        response = await threads.run(self._run, services, library, raw)
        await response(scope, receive, send)

    def _run(self, services: Services, library: str, raw: bytes) -> Response:
        """Everything that takes the processor, in one visit to a worker thread."""
        body = build_body(self._model, raw)
        services.health.require_started()
        return self._endpoint(services, library, body, ReadTerms.none())
