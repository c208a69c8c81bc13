"""The HTTP application, put together."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from anyio import CapacityLimiter
from fastapi import FastAPI
from starlette.middleware import Middleware

from quiredb.api.bodies import StrictRoute
from quiredb.api.cursors import CursorSigner
from quiredb.api.dependencies import Services
from quiredb.api.direct import DirectRoutes
from quiredb.api.door import OPEN_DOOR, Door
from quiredb.api.metrics import Metrics
from quiredb.api.middleware.addressing import Addressing
from quiredb.api.middleware.admission import Admission
from quiredb.api.middleware.answer_headers import AnswerHeaders
from quiredb.api.middleware.audit import Audit
from quiredb.api.middleware.authentication import Authentication
from quiredb.api.middleware.internal_errors import InternalErrors
from quiredb.api.middleware.observation import Observation
from quiredb.api.middleware.request_identity import RequestIdentity
from quiredb.api.middleware.request_limits import RequestLimits
from quiredb.api.openapi import DESCRIPTION, TAGS, TITLE, as_text, described
from quiredb.api.pace import Pace
from quiredb.api.problems import add_problem_handlers
from quiredb.api.routers import backup, chunks, documents, indexing, keys, libraries, search, server, transfer
from quiredb.api.settings import ApiSettings
from quiredb.api.threads import LoopThreads

API_VERSION = "1"
ROUTERS = (
    search.router,
    chunks.router,
    documents.router,
    libraries.router,
    transfer.router,
    indexing.router,
    keys.router,
    backup.router,
    server.router,
)
"""The most used first: routes are tried in order."""

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def create_api(
    services: Services, settings: ApiSettings, lifespan: Lifespan | None = None, door: Door = OPEN_DOOR
) -> FastAPI:
    """The application that answers the REST contract with these services.

    By default nobody is asked for a key.
    """
    metrics = Metrics(services.health, services.backup, settings.metric_libraries_max)
    middleware = [
        Middleware(RequestIdentity),
        Middleware(Observation, metrics),
        Middleware(AnswerHeaders),
        Middleware(InternalErrors),
        Middleware(Addressing, door.hosts),
        Middleware(Authentication, door.identify, door.clock),
        Middleware(RequestLimits, settings.requests_at_once_max, settings.requests_per_second_max, door.clock),
        Middleware(Admission, services.health),
        Middleware(DirectRoutes, search.router.routes),
    ]
    if door.record is not None:
        middleware.insert(2, Middleware(Audit, door.record))
    app = _routed(lifespan, middleware)
    app.state.services = services
    app.state.settings = settings
    app.state.metrics = metrics
    app.state.cursors = CursorSigner(settings.secret)
    app.state.pace = Pace()
    app.state.threads = LoopThreads(settings.searches_at_once_max, "quire-search")
    app.state.import_slots = CapacityLimiter(settings.imports_at_once_max)
    app.state.description = describe()
    add_problem_handlers(app)
    return app


def describe() -> str:
    """The OpenAPI document as text: the same for every server of this version."""
    return as_text(described(_routed(None, [])))


def _routed(lifespan: Lifespan | None, middleware: list[Middleware]) -> FastAPI:
    app = FastAPI(
        title=TITLE,
        version=API_VERSION,
        description=DESCRIPTION,
        openapi_tags=TAGS,
        openapi_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
        middleware=middleware,
        # Metrics and logs are ours, and looking for a collector takes ten microseconds of each request.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    for router in ROUTERS:
        assert all(isinstance(route, StrictRoute) for route in router.routes), "rights are judged by StrictRoute"
        app.router.routes.extend(router.routes)
    return app
