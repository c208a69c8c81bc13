"""Requests as OpenTelemetry spans. Needs `quiredb[otel]`, and is imported only where tracing is asked for.

A request's span continues the caller's trace (W3C `traceparent`) and holds those of its steps: parse, search, fetch,
commit. Names and attributes follow the semantic conventions for HTTP; no span holds texts, vectors, queries or keys.
"""

from collections.abc import Callable
from contextvars import copy_context
from typing import Any, TypeVar

from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry.propagate import extract
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from quiredb.api.settings import ApiSettings
from quiredb.api.threads import LoopThreads
from quiredb.domain.spans import show_spans_to

Result = TypeVar("Result")
_SILENT: dict[str, Any] = {"record_exception": False, "set_status_on_exception": False}
"""Messages of errors may repeat what a request said."""


def trace_requests(app: FastAPI) -> None:
    """Give every request of an application a span. To be called before it serves."""
    tracer = trace.get_tracer("quiredb")
    settings: ApiSettings = app.state.settings
    app.state.threads = TracedThreads(settings.searches_at_once_max, "quire-search")
    app.add_middleware(Tracing, tracer=tracer)
    show_spans_to(lambda name: tracer.start_as_current_span(name, **_SILENT))


class Tracing:
    """The outermost middleware: a span from the head of each request to the end of its answer."""

    def __init__(self, app: ASGIApp, tracer: Tracer) -> None:
        self._app = app
        self._tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        caller = extract({name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]})
        with self._tracer.start_as_current_span(scope["method"][:16], caller, SpanKind.SERVER, **_SILENT) as span:

            async def send_noting(message: Message) -> None:
                if message["type"] == "http.response.start":
                    _describe(span, scope, message["status"])
                await send(message)

            await self._app(scope, receive, send_noting)


class TracedThreads(LoopThreads):
    """Threads whose work belongs to the span of the request that it was handed over for."""

    async def run(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """As without tracing."""
        return await super().run(copy_context().run, function, *arguments)


def _describe(span: Span, scope: Scope, status: int) -> None:
    """What is known once the answer begins."""
    route = getattr(scope.get("route"), "path", None)
    span.set_attribute("http.request.method", scope["method"][:16])
    span.set_attribute("http.response.status_code", status)
    span.set_attribute("quire.request_id", scope.get("state", {}).get("request_id", ""))
    if route is not None:
        span.update_name(f"{scope['method'][:16]} {route}")
        span.set_attribute("http.route", route)
    if status >= 500:
        span.set_status(StatusCode.ERROR)
