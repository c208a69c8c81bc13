"""Every error as a problem document (RFC 9457)."""

import logging
import math
from collections.abc import Sequence

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope

from quiredb.api.errors import BadRequest, Internal, MethodNotAllowed, RateLimited, RouteNotFound, kind_of
from quiredb.api.schemas.base import violations_of
from quiredb.api.schemas.problems import Problem, violation_answer
from quiredb.domain.errors import Overloaded, QuireError, ValidationFailed
from quiredb.domain.limits import ERRORS_REPORTED_MAX

PROBLEM_MEDIA_TYPE = "application/problem+json"
_INSTANCE_CHARACTERS_MAX = 512
_DETAIL_CHARACTERS_MAX = 1024
_RETRY_AFTER_SECONDS = "1"
_log = logging.getLogger("quiredb.api")


def problem_response(scope: Scope, error: QuireError) -> Response:
    """The answer to an error."""
    problem = problem_document(error, _instance(scope), scope["state"]["request_id"])
    scope["state"]["problem"] = error.code
    scope["app"].state.metrics.problem(error)
    if problem["status"] >= 500 and not error.retryable:
        _log.error("request %s: %s: %s", problem["request_id"], error.code, error.logged)
    return Response(orjson.dumps(problem), problem["status"], problem_headers(error), PROBLEM_MEDIA_TYPE)


def problem_document(error: QuireError, instance: str, request_id: str) -> Problem:
    """What the answer to an error says."""
    kind = kind_of(error)
    problem: Problem = {
        "type": f"/problems/{error.code}",
        "title": kind.title,
        "status": kind.status,
        "detail": error.detail[:_DETAIL_CHARACTERS_MAX],
        "instance": instance,
        "code": error.code,
        "request_id": request_id,
        "retryable": error.retryable,
    }
    if isinstance(error, ValidationFailed):
        problem["errors"] = [violation_answer(violation) for violation in error.violations[:ERRORS_REPORTED_MAX]]
    return problem


def problem_headers(error: QuireError) -> dict[str, str]:
    """The headers that the answer to an error has for what it is."""
    status = kind_of(error).status
    if isinstance(error, MethodNotAllowed):
        return {"Allow": ", ".join(error.allowed)}
    if isinstance(error, RateLimited):
        return {"Retry-After": str(max(1, math.ceil(error.seconds)))}
    if status == 401:
        return {"WWW-Authenticate": "Bearer"}
    return {"Retry-After": _RETRY_AFTER_SECONDS} if status == 503 else {}


def internal_error(scope: Scope) -> Response:
    """The answer to a bug. It tells nothing but the request id."""
    return problem_response(scope, Internal("The server met a bug. Its log says more under this request id."))


def out_of_memory() -> QuireError:
    """What a `MemoryError` is for the client."""
    return Overloaded("The server ran out of memory over this; send less at once.")


def add_problem_handlers(app: FastAPI) -> None:
    """Answer every expected exception with a problem document."""

    async def on_quire_error(request: Request, error: QuireError) -> Response:
        return problem_response(request.scope, error)

    async def on_invalid_parameters(request: Request, error: RequestValidationError) -> Response:
        return problem_response(request.scope, ValidationFailed(violations_of(list(error.errors()))))

    async def on_http_error(request: Request, error: HTTPException) -> Response:
        return problem_response(request.scope, _from_http(app, request.scope, error))

    app.add_exception_handler(QuireError, on_quire_error)  # type: ignore[arg-type]
    app.add_exception_handler(RequestValidationError, on_invalid_parameters)  # type: ignore[arg-type]
    app.add_exception_handler(HTTPException, on_http_error)  # type: ignore[arg-type]


def _from_http(app: FastAPI, scope: Scope, error: HTTPException) -> QuireError:
    if error.status_code == 404:
        return RouteNotFound("There is no such path. GET /openapi.json lists them.")
    if error.status_code == 405:
        return MethodNotAllowed(_allowed_methods(app.routes, scope))
    return BadRequest("The request cannot be read.")


def _allowed_methods(routes: Sequence[object], scope: Scope) -> tuple[str, ...]:
    """All methods of a path; the router's own answer names those of the first route only."""
    methods: set[str] = set()
    for route in routes:
        if isinstance(route, APIRoute) and route.matches(scope)[0] is not Match.NONE:
            methods |= route.methods or set()
    return tuple(sorted(methods))


def _instance(scope: Scope) -> str:
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    return raw.split(b"?")[0].decode("ascii", "backslashreplace")[:_INSTANCE_CHARACTERS_MAX]
