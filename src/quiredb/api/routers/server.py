"""Probes, versions, metrics, limits and the description of the API itself."""

from typing import Any

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import Response

from quiredb.api.answers import JsonAnswer, answer
from quiredb.api.bodies import StrictRoute
from quiredb.api.dependencies import HealthDependency, PrincipalDependency, SettingsDependency
from quiredb.api.openapi import problems
from quiredb.api.schemas.search import RECALL_QUERIES_MAX
from quiredb.api.schemas.server import (
    AliveAnswer,
    LimitsAnswer,
    ReadyAnswer,
    StartAnswer,
    VersionAnswer,
    ready_answer,
    start_answer,
)
from quiredb.api.settings import ApiSettings
from quiredb.api.strict_json import DEPTH_MAX
from quiredb.domain import limits
from quiredb.domain.rights import Principal, Right

router = APIRouter(tags=["server"], route_class=StrictRoute)
_STATUS_ONLY = "The status that GET answers, without its body: for load balancers that ask so."


@router.head(
    "/livez",
    operation_id="head_alive",
    summary="Is the process alive? Status only",
    description=_STATUS_ONLY,
    response_class=Response,
)
@router.get("/livez", operation_id="get_alive", summary="Is the process alive?", response_model=AliveAnswer)
async def get_alive() -> JsonAnswer:
    """Answers 200 whenever the process answers at all; touches no disk and waits for no thread."""
    return answer({"status": "alive"})


@router.head(
    "/readyz",
    operation_id="head_ready",
    summary="Can it serve? Status only",
    description=_STATUS_ONLY,
    response_class=Response,
    responses={503: {"description": "Not yet."}},
)
@router.get(
    "/readyz",
    operation_id="get_ready",
    summary="Can it serve?",
    response_model=ReadyAnswer,
    responses={503: {"model": ReadyAnswer, "description": "Not yet; `checks` says what is missing."}},
)
def get_ready(health: HealthDependency, principal: PrincipalDependency) -> JsonAnswer:
    """Answers 200 when requests should come, which may be `degraded`, and 503 otherwise; the body has the same members.

    Without a key that may read metrics, `checks` is empty.
    """
    condition = health.condition()
    report = ready_answer(condition, in_full=_may_know(principal))
    return answer(report, status=200 if condition.is_ready else 503)


@router.head(
    "/startupz",
    operation_id="head_started",
    summary="Has it started? Status only",
    description=_STATUS_ONLY,
    response_class=Response,
    responses={503: {"description": "Not yet."}},
)
@router.get(
    "/startupz",
    operation_id="get_started",
    summary="Has it started?",
    response_model=StartAnswer,
    responses={503: {"model": StartAnswer, "description": "Not yet; `step` says what it is busy with."}},
)
async def get_started(health: HealthDependency, principal: PrincipalDependency) -> JsonAnswer:
    """Answers 503 while the server starts, with how far it is, and 200 for ever after.

    Without a key that may read metrics, `step` is empty.
    """
    progress = health.start_progress()
    report = start_answer(progress, in_full=_may_know(principal))
    return answer(report, status=200 if progress is None else 503)


@router.get("/version", operation_id="get_version", summary="Versions", response_model=VersionAnswer)
def get_version(health: HealthDependency) -> JsonAnswer:
    """Versions of the program, the API and the data folder, and the level of the search kernels."""
    return answer(health.version())


@router.get(
    "/metrics",
    operation_id="get_metrics",
    summary="Prometheus metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Metrics"}},
)
def get_metrics(request: Request) -> Response:
    """Counters and gauges in Prometheus' text format."""
    return Response(request.app.state.metrics.text(), media_type=CONTENT_TYPE_LATEST)


@router.get(
    "/v1/limits",
    operation_id="get_limits",
    summary="Limits",
    response_model=LimitsAnswer,
    responses=problems(),
)
def get_limits(settings: SettingsDependency) -> JsonAnswer:
    """The largest sizes and counts that the server takes."""
    return answer(published_limits(settings))


@router.get("/openapi.json", operation_id="get_openapi", summary="This description", response_model=dict[str, Any])
def get_openapi(request: Request) -> Response:
    """The OpenAPI document of this server."""
    return Response(request.app.state.description, media_type="application/json")


def _may_know(principal: Principal) -> bool:
    """Whether somebody may read more of the server's state than one word."""
    return Right.METRICS in principal.rights


def published_limits(settings: ApiSettings) -> dict[str, int]:
    """Every limit by its name in lower case."""
    domain = {name.lower(): value for name, value in vars(limits).items() if name.isupper()}
    return {
        **domain,
        "body_bytes_max": settings.body_bytes_max,
        "import_line_bytes_max": settings.import_line_bytes_max,
        "json_depth_max": DEPTH_MAX,
        "requests_at_once_max": settings.requests_at_once_max,
        "requests_per_second_max": settings.requests_per_second_max,
        "recall_queries_max": RECALL_QUERIES_MAX,
        "wait_ms_max": int(settings.wait_seconds_max * 1000),
    }
