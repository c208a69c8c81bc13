"""Whole libraries in and out."""

from typing import Annotated, Any, Literal

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Header, Query, Request
from starlette.responses import Response, StreamingResponse

from quiredb.api.answers import POSITION_HEADER, JsonAnswer, answer
from quiredb.api.bodies import NDJSON, StrictRoute, check_media_type, decoded_bytes
from quiredb.api.dependencies import (
    LibraryPath,
    ReadTermsDependency,
    ServicesDependency,
    SettingsDependency,
)
from quiredb.api.export_lines import export_blocks
from quiredb.api.idempotency import idempotency_token
from quiredb.api.line_stream import LineStream
from quiredb.api.openapi import READ_PROBLEMS, WRITE_PROBLEMS
from quiredb.api.read_ahead import ReadAhead
from quiredb.api.schemas.transfer import ImportAnswer, import_answer, import_item
from quiredb.domain.admission import Reservation
from quiredb.domain.drafts import ImportItem, ImportReport

router = APIRouter(prefix="/v1/libraries/{library}", tags=["transfer"], route_class=StrictRoute)

_ACCEPTED = frozenset({NDJSON})
_IMPORT_BYTES = 32 * 1024 * 1024
"""About what an import takes: parts received ahead, the lines of a commit and what became of them."""
_LONG_LINE_BYTES = 512 * 1024
_NDJSON_EXAMPLE = (
    '{"id": "guide", "metadata": {"title": "Guide"}, '
    '"chunks": [{"id": "g1", "text": "One.", "embedding": [0.1, 0.9]}]}\n'
    '{"id": "g2", "document_id": "guide", "text": "Two.", "embedding": [0.8, 0.2]}\n'
)
_IMPORT_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "One document with chunks, or one chunk with `document_id`, on each line.",
        "content": {NDJSON: {"schema": {"type": "string", "format": "binary"}, "example": _NDJSON_EXAMPLE}},
    }
}


@router.post(
    "/import",
    operation_id="import_library",
    summary="Import NDJSON",
    response_model=ImportAnswer,
    responses=WRITE_PROBLEMS,
    openapi_extra=_IMPORT_BODY,
)
async def import_library(
    request: Request,
    services: ServicesDependency,
    settings: SettingsDependency,
    library: LibraryPath,
    on_error: Annotated[Literal["abort", "continue"], Query(description="At a bad line: stop, or go on")] = "abort",
    idempotency_key: Annotated[str | None, Header(description="Parts that were committed are not repeated")] = None,
) -> JsonAnswer:
    """Writes documents and chunks while they arrive, in commits of about a thousand chunks.

    Bad lines are counted and the first named. What was committed before an abort or a broken connection stays.
    A chunk whose document does not exist makes it. What an export adds (versions, times, counts) is ignored.
    """
    check_media_type(request, _ACCEPTED)
    token = idempotency_token(request.scope["route"].path, idempotency_key, b"")

    reservation: Reservation = request.scope["state"]["memory"]
    reservation.grow(_IMPORT_BYTES)

    def run(body: ReadAhead) -> ImportReport:
        lines = LineStream(body, settings.import_line_bytes_max)
        items = (_item(number, line, reservation) for number, line in lines)
        return services.transfer.import_items(library, items, abort_on_error=on_error == "abort", idempotency=token)

    slots: CapacityLimiter = request.app.state.import_slots
    async with ReadAhead(request.stream()) as body:
        report = await to_thread.run_sync(run, body, limiter=slots)
    return answer(import_answer(report), position=report.position)


def _item(number: int, line: bytes, reservation: Reservation) -> ImportItem:
    """What a line asks for; `Overloaded` when it is a long one and there is no memory to decode it."""
    if len(line) <= _LONG_LINE_BYTES:
        return import_item(number, line)
    size = decoded_bytes(line)
    reservation.grow(size)
    try:
        return import_item(number, line)
    finally:
        reservation.shrink(size)


@router.get(
    "/export",
    operation_id="export_library",
    summary="Export NDJSON",
    response_class=Response,
    responses={
        200: {"content": {NDJSON: {"schema": {"type": "string"}, "example": _NDJSON_EXAMPLE}}, "description": "Lines"},
        **READ_PROBLEMS,
    },
)
def export_library(services: ServicesDependency, library: LibraryPath, terms: ReadTermsDependency) -> Response:
    """Every document with its chunks at one position. A document of many chunks goes on with a line for each."""
    terms.wait(services, library)
    export = services.transfer.export(library)
    headers = {POSITION_HEADER: str(export.position)}
    return StreamingResponse(export_blocks(export.documents), headers=headers, media_type=NDJSON)
