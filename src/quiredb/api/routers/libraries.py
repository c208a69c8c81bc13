"""Libraries."""

from typing import Annotated

from fastapi import APIRouter, Body
from starlette.responses import Response

from quiredb.api.answers import JsonAnswer, answer, empty
from quiredb.api.bodies import MERGE_PATCH, StrictRoute
from quiredb.api.dependencies import (
    IdempotencyDependency,
    IfNoneMatch,
    LibraryPath,
    PageTermsDependency,
    PrincipalDependency,
    ReadTermsDependency,
    ServicesDependency,
    WriteConditionsDependency,
)
from quiredb.api.merge_patch import merge
from quiredb.api.openapi import CONDITIONAL_READ_PROBLEMS, READ_PROBLEMS, WRITE_PROBLEMS, problems
from quiredb.api.preconditions import is_unchanged, library_tag
from quiredb.api.schemas.base import validate
from quiredb.api.schemas.indexing import StatsAnswer, stats_answer
from quiredb.api.schemas.libraries import (
    LIBRARY_EXAMPLE,
    LibraryAnswer,
    LibraryBody,
    LibraryPage,
    LibraryPatch,
    PatchedLibrary,
    library_answer,
    library_settings,
    library_writable,
)
from quiredb.domain.drafts import LibrarySettings
from quiredb.domain.errors import Conflict
from quiredb.domain.library import Library

router = APIRouter(prefix="/v1/libraries", tags=["libraries"], route_class=StrictRoute)


@router.get(
    "", operation_id="list_libraries", summary="List libraries", response_model=LibraryPage, responses=problems()
)
def list_libraries(
    services: ServicesDependency, principal: PrincipalDependency, page: PageTermsDependency
) -> JsonAnswer:
    """The libraries that the key is for, by id."""
    found = services.libraries.list(page.after(), page.limit + 1, principal.sees)
    shown, more = found[: page.limit], len(found) > page.limit
    cursor = page.next_cursor([shown[-1].id], more=more) if shown else None
    return answer({"items": [library_answer(library) for library in shown], "next_cursor": cursor})


@router.post(
    "",
    operation_id="create_library",
    summary="Create a library",
    status_code=201,
    response_model=LibraryAnswer,
    responses=WRITE_PROBLEMS,
)
def create_library(
    services: ServicesDependency,
    body: Annotated[LibraryBody, Body(examples=[LIBRARY_EXAMPLE])],
    idempotency: IdempotencyDependency,
) -> JsonAnswer:
    """Makes a library; without `id` the server makes one. `dimension` and `metric` stay for ever."""
    library, replayed = services.libraries.create(body.to_domain(), idempotency)
    return _library(library, status=201, location=f"/v1/libraries/{library.id}", replayed=replayed)


@router.get(
    "/{library}",
    operation_id="get_library",
    summary="Read a library",
    response_model=LibraryAnswer,
    responses=CONDITIONAL_READ_PROBLEMS,
)
def get_library(
    services: ServicesDependency, library: LibraryPath, terms: ReadTermsDependency, if_none_match: IfNoneMatch = None
) -> Response:
    """One library. Its ETag changes with its contents; If-Match looks at its settings only."""
    terms.wait(services, library)
    found = services.libraries.get(library)
    if is_unchanged(if_none_match, library_tag(found)):
        return empty(304, position=found.position, etag=library_tag(found))
    return _library(found)


@router.put(
    "/{library}",
    operation_id="put_library",
    summary="Create a library or replace its settings",
    response_model=LibraryAnswer,
    responses={201: {"model": LibraryAnswer, "description": "Created"}, **WRITE_PROBLEMS},
)
def put_library(
    services: ServicesDependency,
    library: LibraryPath,
    body: Annotated[LibraryBody, Body(examples=[LIBRARY_EXAMPLE])],
    conditions: WriteConditionsDependency,
) -> JsonAnswer:
    """Creates the library, or replaces its metadata, index and embedder. Another dimension or metric is a conflict."""
    expected = conditions.expectation(lambda: services.libraries.get(library).version)
    written, created = services.libraries.put(library, body.to_domain(), expected)
    return _library(written, status=201 if created else 200)


@router.patch(
    "/{library}",
    operation_id="patch_library",
    summary="Change a library's settings",
    response_model=LibraryAnswer,
    responses=WRITE_PROBLEMS,
)
def patch_library(
    services: ServicesDependency,
    library: LibraryPath,
    patch: Annotated[LibraryPatch, Body(media_type=MERGE_PATCH)],
    conditions: WriteConditionsDependency,
) -> JsonAnswer:
    """Applies a merge patch to `metadata`, `index` and `embedder`."""

    def edit(current: Library) -> LibrarySettings:
        merged = validate(PatchedLibrary, merge(library_writable(current), patch.root))
        if (merged.dimension, merged.metric) != (current.dimension, current.metric):
            raise Conflict("Dimension and metric cannot be changed. Make another library and import into it.")
        return library_settings(merged, current)

    expected = conditions.expectation(lambda: services.libraries.get(library).version)
    return _library(services.libraries.patch(library, edit, expected))


@router.delete(
    "/{library}", operation_id="delete_library", summary="Delete a library", status_code=204, responses=WRITE_PROBLEMS
)
def delete_library(
    services: ServicesDependency, library: LibraryPath, conditions: WriteConditionsDependency
) -> Response:
    """Removes the library with everything in it."""
    services.libraries.delete(library, conditions.expectation(lambda: services.libraries.get(library).version))
    return empty(204)


@router.get(
    "/{library}/stats",
    operation_id="get_library_stats",
    summary="Numbers about a library",
    response_model=StatsAnswer,
    responses=READ_PROBLEMS,
)
def get_library_stats(services: ServicesDependency, library: LibraryPath, terms: ReadTermsDependency) -> JsonAnswer:
    """Counts, live and dead bytes, segments, index state, and recall as it was last measured."""
    terms.wait(services, library)
    stats = services.libraries.stats(library)
    return answer(stats_answer(stats), position=stats.position)


def _library(library: Library, *, status: int = 200, location: str | None = None, replayed: bool = False) -> JsonAnswer:
    return answer(
        library_answer(library),
        status=status,
        position=library.position,
        etag=library_tag(library),
        location=location,
        replayed=replayed,
    )
