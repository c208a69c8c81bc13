"""Routes that read their body strictly: media type, size, JSON and model, before FastAPI sees it.

The model is built here, large bodies in a worker thread, and handed to FastAPI as the parsed body, so that handlers
and OpenAPI stay plain FastAPI.
"""

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar, get_args, get_origin

import numpy as np
from fastapi import params
from fastapi.dependencies.utils import get_flat_params
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from quiredb.api.errors import UnsupportedMediaType
from quiredb.api.rights import RIGHTS, check_rights
from quiredb.api.schemas.base import validate
from quiredb.api.settings import ApiSettings
from quiredb.api.strict_json import decode_object
from quiredb.domain.admission import Reservation
from quiredb.domain.errors import TooLarge, ValidationFailed
from quiredb.domain.spans import span

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
NDJSON = "application/x-ndjson"
THREAD_FROM_BYTES = 32 * 1024
_SMALL_BYTES = 64 * 1024
_COPIES_RECEIVED = 2
_NAME_CHARACTERS_SHOWN = 64

Body = TypeVar("Body", bound=BaseModel)
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class DecodedRequest(Request):
    """A request whose body was read and decoded already."""

    def __init__(self, request: Request, raw: bytes, model: BaseModel) -> None:
        super().__init__(request.scope, request.receive)
        self._body = raw
        self._model = model

    async def json(self) -> Any:
        """The validated model; FastAPI takes an instance as it is."""
        return self._model


class StrictRoute(APIRoute):
    """A route that judges rights first, refuses unknown and repeated query parameters and reads its body strictly."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **declared: Any) -> None:
        super().__init__(path, endpoint, **declared)
        identifier = self.operation_id or path
        assert identifier in RIGHTS, f"say in api/rights.py what {identifier} needs"
        self._need = RIGHTS[identifier]

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A request that was routed here, with the path parameters that the handler will get."""
        if self.methods is not None and scope["method"] in self.methods:
            self.admit(scope)
        await super().handle(scope, receive, send)

    def admit(self, scope: Scope) -> None:
        """Raises what `check_rights` raises. To be asked before anything else of a request that was routed here."""
        check_rights(self._need, scope)

    def get_route_handler(self) -> Handler:
        """The handler behind the checks."""
        handle = super().get_route_handler()
        parameters = {
            field.alias: _takes_a_list(field.field_info.annotation)
            for field in get_flat_params(self.dependant)
            if isinstance(field.field_info, params.Query)
        }
        decode = _decoder(self)

        async def strict(request: Request) -> Response:
            _check_parameters(request, parameters)
            return await handle(request if decode is None else await decode(request))

        return strict


def body_model(route: APIRoute) -> type[BaseModel]:
    """The model that the body of a route must fit."""
    model = _body(route).annotation
    assert isinstance(model, type) and issubclass(model, BaseModel), f"{route.path}: the body is one Pydantic model"
    return model


def accepted_types(route: APIRoute) -> frozenset[str]:
    """The media types that a route takes."""
    return frozenset({JSON, _body(route).media_type})


def _body(route: APIRoute) -> params.Body:
    assert route.body_field is not None, f"{route.path} takes no body"
    field = route.body_field.field_info
    assert isinstance(field, params.Body)
    return field


def _decoder(route: APIRoute) -> Callable[[Request], Coroutine[Any, Any, Request]] | None:
    """What reads the body of a route, or None when it has none."""
    if route.body_field is None:
        return None
    model, accepted = body_model(route), accepted_types(route)

    async def decode(request: Request) -> Request:
        check_media_type(request, accepted)
        settings: ApiSettings = request.app.state.settings
        raw = await read_body(request, settings.body_bytes_max)
        if len(raw) < THREAD_FROM_BYTES:
            return DecodedRequest(request, raw, build_body(model, raw))
        return DecodedRequest(request, raw, await run_in_threadpool(build_body, model, raw))

    return decode


def build_body(model: type[Body], raw: bytes) -> Body:
    """The model that strict JSON bytes hold; raises what `decode_object` and `validate` raise."""
    with span("parse"):
        return validate(model, decode_object(raw))


def check_media_type(request: Request, accepted: frozenset[str]) -> None:
    """Refuse other content types (a parameter such as charset=utf-8 is fine) and every content encoding.

    Raises:
        UnsupportedMediaType: with what is accepted.
    """
    given, _, parameters = _header(request, b"content-type").partition(";")
    if given.strip().lower() not in accepted:
        raise UnsupportedMediaType(f"Send Content-Type: {' or '.join(sorted(accepted))}.")
    if parameters and parameters.strip().lower().replace('"', "") not in {"", "charset=utf-8"}:
        raise UnsupportedMediaType("The only charset is utf-8.")
    if _header(request, b"content-encoding").strip().lower() not in {"", "identity"}:
        raise UnsupportedMediaType("Send the body without a Content-Encoding.")


async def read_body(request: Request, bytes_max: int) -> bytes:
    """The whole body. Raises before it is buffered, or decoded, when it says or shows that it is too large.

    Raises:
        TooLarge: it has more than `bytes_max`.
        Overloaded: there is no memory for it now.
    """
    reservation: Reservation = request.scope["state"]["memory"]
    announced = _header(request, b"content-length")
    expected = int(announced) if announced.isdecimal() else 0
    if expected > bytes_max:
        raise _too_large(bytes_max)
    if expected > _SMALL_BYTES:
        reservation.grow(_COPIES_RECEIVED * expected)
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > bytes_max:
            raise _too_large(bytes_max)
        if size > max(expected, _SMALL_BYTES):
            reservation.grow(_COPIES_RECEIVED * len(part))
        parts.append(part)
    raw = b"".join(parts)
    if size > _SMALL_BYTES:
        reservation.grow(decoded_bytes(raw))
    return raw


def _header(request: Request, name: bytes) -> str:
    """The first of this name, or nothing. `Request.headers` takes longer to be made than to be asked."""
    return next((value.decode("latin-1") for one, value in request.scope["headers"] if one == name), "")


def decoded_bytes(raw: bytes) -> int:
    """About how many bytes a JSON text takes as objects, models and arrays, at most.

    A number takes up to four times its text, a string beside its text some 60 bytes, an object some hundred and, once
    it has become a model, several.
    """
    characters = np.frombuffer(raw, np.uint8)  # which counts ten times as fast as `bytes.count`
    objects, arrays, quotes = (int(np.count_nonzero(characters == ord(one))) for one in '{["')
    return 4 * len(raw) + 600 * objects + 80 * arrays + 32 * quotes


def _too_large(bytes_max: int) -> TooLarge:
    return TooLarge(f"A body has at most {bytes_max} bytes. Split it, or use the import, which has no such limit.")


def _takes_a_list(annotation: object) -> bool:
    return list in {get_origin(one) for one in (annotation, *get_args(annotation))}


def _check_parameters(request: Request, known: Mapping[str, bool]) -> None:
    """Refuse what a route does not know, and a second value where it takes one. `known` tells which take a list."""
    seen: set[str] = set()
    for name, _ in request.query_params.multi_items():
        if name not in known:
            shown = name[:_NAME_CHARACTERS_SHOWN].replace("~", "~0").replace("/", "~1")
            raise ValidationFailed.at(f"/query/{shown}", "unknown-parameter", "There is no such parameter here.")
        if name in seen and not known[name]:
            raise ValidationFailed.at(f"/query/{name}", "repeated-parameter", "Send this parameter once.")
        seen.add(name)
