"""Searches go straight to their handler: routing and working out dependencies in general takes longer than a search.

A `DirectRoute` is declared like any other route, so FastAPI describes it and its parameters, and answers whenever a
request says more than a path and a body (a position to wait for, anything in the query string). The usual request says
no more; `DirectRoutes` takes it out before the framework looks at it.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from quiredb.api.bodies import (
    THREAD_FROM_BYTES,
    StrictRoute,
    accepted_types,
    body_model,
    build_body,
    check_media_type,
    read_body,
)
from quiredb.api.dependencies import READ_TERMS_HEADERS, ReadTerms, Services
from quiredb.api.pace import Pace
from quiredb.api.problems import problem_response
from quiredb.api.schemas.base import PacedModel
from quiredb.api.settings import ApiSettings
from quiredb.api.threads import LoopThreads
from quiredb.domain.errors import QuireError

Endpoint: TypeAlias = Callable[[Services, str, Any, ReadTerms], Response]


class DirectRoute(StrictRoute):
    """A route whose endpoint takes (services, library, body, terms)."""

    def __init__(self, path: str, endpoint: Endpoint, **declared: Any) -> None:
        super().__init__(path, endpoint, **declared)
        self._endpoint = endpoint
        model = body_model(self)
        assert issubclass(model, PacedModel), f"{path}: the body says how long it may take"
        self._model = model
        self._accepted = accepted_types(self)

    async def respond(self, request: Request) -> Response:
        """The answer to a request that was routed here and has no read terms."""
        self.admit(request.scope)
        state = request.scope["app"].state
        settings: ApiSettings = state.settings
        threads: LoopThreads = state.threads
        check_media_type(request, self._accepted)
        raw = await read_body(request, settings.body_bytes_max)
        library: str = request.scope["path_params"]["library"]
        if len(raw) >= THREAD_FROM_BYTES:
            return await threads.run(self._run, state.services, library, raw)
        body = build_body(self._model, raw)
        alike = body.kind()
        if alike is None:
            return await threads.run(self._answer, state.services, library, body)
        pace: Pace = state.pace
        kind = library, alike
        if pace.is_quick(kind):
            started = time.perf_counter()
            try:
                return self._answer(state.services, library, body)
            finally:
                pace.took_loop(kind, time.perf_counter() - started)
        response, seconds = await threads.run(self._timed, state.services, library, body)
        pace.took_thread(kind, seconds)
        return response

    def _run(self, services: Services, library: str, raw: bytes) -> Response:
        """Everything that takes the processor, in one visit to a worker thread."""
        return self._answer(services, library, build_body(self._model, raw))

    def _timed(self, services: Services, library: str, body: PacedModel) -> tuple[Response, float]:
        """The answer, and the seconds of processor time that it took this thread."""
        started = time.thread_time()
        response = self._answer(services, library, body)
        return response, time.thread_time() - started

    def _answer(self, services: Services, library: str, body: PacedModel) -> Response:
        services.health.require_started()
        return self._endpoint(services, library, body, ReadTerms.none())


class DirectRoutes:
    """The innermost middleware: answers usual requests to the direct ones among `routes`; `app` answers all others."""

    def __init__(self, app: ASGIApp, routes: Sequence[BaseRoute]) -> None:
        self._app = app
        self._routes = [
            (route.path_regex, frozenset(route.methods or ()), route)
            for route in routes
            if isinstance(route, DirectRoute)
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        route = self._routed(scope) if _is_usual(scope) else None
        if route is None:
            await self._app(scope, receive, send)
            return
        try:
            response = await route.respond(Request(scope, receive))
        except QuireError as error:
            response = problem_response(scope, error)
        await response(scope, receive, send)

    def _routed(self, scope: Scope) -> DirectRoute | None:
        """The route of a request, and in its scope what the framework's routing would put there."""
        for pattern, methods, route in self._routes:
            if scope["method"] in methods and (match := pattern.match(scope["path"])):
                scope["route"] = route
                scope["path_params"] = match.groupdict()
                return route
        return None


def _is_usual(scope: Scope) -> bool:
    return (
        scope["type"] == "http"
        and not scope["query_string"]
        and not scope.get("root_path")
        and READ_TERMS_HEADERS.isdisjoint([name for name, _ in scope["headers"]])
    )
