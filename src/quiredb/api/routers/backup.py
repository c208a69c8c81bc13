"""Everything at once, for whoever keeps backups."""

from collections.abc import Generator

from fastapi import APIRouter
from starlette.responses import Response

from quiredb.api.bodies import StrictRoute
from quiredb.api.bounded_stream import BoundedStream
from quiredb.api.dependencies import ServicesDependency, SettingsDependency
from quiredb.api.openapi import problems
from quiredb.api.schemas.backup import BackupBody

router = APIRouter(tags=["transfer"], route_class=StrictRoute)

_BYTES = "application/octet-stream"


@router.post(
    "/v1/backup",
    operation_id="create_backup",
    summary="Back up",
    response_class=Response,
    responses={
        200: {"content": {_BYTES: {"schema": {"type": "string", "format": "binary"}}}, "description": "A backup"},
        **problems(400, 409, 413, 415),
    },
)
def create_backup(services: ServicesDependency, settings: SettingsDependency, body: BackupBody) -> Response:
    """All libraries, each at one position, and the catalogue, as `quire backup` stores them.

    Writes go on. Blocks that are `known` are not sent again. The stream ends with a manifest; one that ends without
    has broken off.
    """
    parts = services.backup.stream(frozenset(body.known))
    first = next(parts)  # what keeps a backup from beginning is an answer
    return BoundedStream(_begun(first, parts), _BYTES, settings.backup_wait_seconds_max)


def _begun(first: bytes, parts: Generator[bytes, None, None]) -> Generator[bytes, None, None]:
    try:
        yield first
        yield from parts
    finally:
        parts.close()
