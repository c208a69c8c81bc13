"""What handlers are given: the services, and the headers and parameters that many routes share."""

from dataclasses import dataclass
from typing import Annotated, TypeAlias

from fastapi import Depends, Header, Path, Query, Request

from quiredb.api.cursors import CursorSigner, Place
from quiredb.api.idempotency import idempotency_token
from quiredb.api.preconditions import WriteConditions
from quiredb.api.rights import principal_of
from quiredb.api.settings import ApiSettings
from quiredb.domain.commands import IdempotencyToken
from quiredb.domain.limits import IDEMPOTENCY_KEY_CHARACTERS_MAX, LIST_LIMIT_DEFAULT, LIST_LIMIT_MAX
from quiredb.domain.rights import Principal
from quiredb.services.backup import BackupService
from quiredb.services.chunks import ChunkService
from quiredb.services.documents import DocumentService
from quiredb.services.health import HealthService
from quiredb.services.indexing import IndexingService
from quiredb.services.keys import KeyService
from quiredb.services.libraries import LibraryService
from quiredb.services.search import SearchService
from quiredb.services.transfer import TransferService


@dataclass(frozen=True, slots=True)
class Services:
    """The use cases that the API offers."""

    libraries: LibraryService
    documents: DocumentService
    chunks: ChunkService
    search: SearchService
    indexing: IndexingService
    transfer: TransferService
    backup: BackupService
    health: HealthService
    keys: KeyService


@dataclass(frozen=True, slots=True)
class ReadTerms:
    """How fresh an answer must be, and how long to wait for it."""

    position: int | None
    seconds: float

    @classmethod
    def none(cls) -> "ReadTerms":
        """Any position will do."""
        return _NO_TERMS

    def wait(self, services: Services, library_id: str) -> None:
        """Return once the library has reached the position that the read asks for; `ReplicaBehind` otherwise."""
        if self.position is not None:
            services.libraries.wait_for_position(library_id, self.position, self.seconds)


READ_TERMS_HEADERS = frozenset({b"x-quire-min-position", b"x-quire-max-wait-ms"})
"""The headers that read terms come from, as ASGI has them."""
_NO_TERMS = ReadTerms(None, 0.0)


@dataclass(frozen=True, slots=True)
class PageTerms:
    """Which part of a list is asked for. `scope` ties its cursors to the route and library."""

    limit: int
    cursor: str | None
    scope: str
    signer: CursorSigner

    def place(self) -> Place | None:
        """Where to go on, or None at the start; `ValidationFailed` for a cursor of another list."""
        return None if self.cursor is None else self.signer.read(self.scope, self.cursor)

    def after(self) -> str | None:
        """The place in lists that are sorted by id alone."""
        place = self.place()
        return None if place is None else str(place[0])

    def next_cursor(self, place: Place, *, more: bool) -> str | None:
        """The cursor for what follows, or None at the end."""
        return self.signer.write(self.scope, place) if more else None


async def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    services.health.require_started()
    return services


async def _health(request: Request) -> HealthService:
    services: Services = request.app.state.services
    return services.health


async def _principal(request: Request) -> Principal:
    return principal_of(request.scope)


async def _settings(request: Request) -> ApiSettings:
    settings: ApiSettings = request.app.state.settings
    return settings


async def _read_terms(
    request: Request,
    min_position: Annotated[
        int | None, Header(alias="X-Quire-Min-Position", ge=0, le=2**62, description="Answer at this position or later")
    ] = None,
    max_wait_ms: Annotated[
        int | None, Header(alias="X-Quire-Max-Wait-Ms", ge=0, le=2**31, description="Wait at most this long for it")
    ] = None,
) -> ReadTerms:
    settings: ApiSettings = request.app.state.settings
    asked = settings.wait_seconds_default if max_wait_ms is None else max_wait_ms / 1000
    return ReadTerms(min_position, min(asked, settings.wait_seconds_max))


async def _write_conditions(
    if_match: Annotated[str | None, Header(description="Only if the resource is at this ETag, or `*`: exists")] = None,
    if_none_match: Annotated[str | None, Header(description="`*`: only if the resource does not exist")] = None,
) -> WriteConditions:
    return WriteConditions(if_match, if_none_match)


async def _page_terms(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=LIST_LIMIT_MAX)] = LIST_LIMIT_DEFAULT,
    cursor: Annotated[str | None, Query(description="`next_cursor` of the page before")] = None,
) -> PageTerms:
    signer: CursorSigner = request.app.state.cursors
    return PageTerms(limit, cursor, request.url.path, signer)


async def _idempotency(
    request: Request,
    idempotency_key: Annotated[
        str | None,
        Header(
            description="The same key and body bring back the first answer for 24 hours",
            json_schema_extra={"minLength": 1, "maxLength": IDEMPOTENCY_KEY_CHARACTERS_MAX},
        ),
    ] = None,
) -> IdempotencyToken | None:
    if idempotency_key is None:
        return None
    return idempotency_token(request.scope["route"].path, idempotency_key, await request.body())


ServicesDependency: TypeAlias = Annotated[Services, Depends(_services)]
"""The services; `Unavailable` while the server starts."""
HealthDependency: TypeAlias = Annotated[HealthService, Depends(_health)]
PrincipalDependency: TypeAlias = Annotated[Principal, Depends(_principal)]
"""Who asks."""
SettingsDependency: TypeAlias = Annotated[ApiSettings, Depends(_settings)]
ReadTermsDependency: TypeAlias = Annotated[ReadTerms, Depends(_read_terms)]
PageTermsDependency: TypeAlias = Annotated[PageTerms, Depends(_page_terms)]
WriteConditionsDependency: TypeAlias = Annotated[WriteConditions, Depends(_write_conditions)]
IdempotencyDependency: TypeAlias = Annotated[IdempotencyToken | None, Depends(_idempotency)]
IfNoneMatch: TypeAlias = Annotated[str | None, Header(description="Answer 304 if the resource still has this ETag")]
LibraryPath: TypeAlias = Annotated[str, Path(description="Id of the library")]
DocumentPath: TypeAlias = Annotated[str, Path(description="Id of the document")]
ChunkPath: TypeAlias = Annotated[str, Path(description="Id of the chunk")]
KeyPath: TypeAlias = Annotated[str, Path(description="Id of the API key")]
JobPath: TypeAlias = Annotated[str, Path(description="Id of the job")]
