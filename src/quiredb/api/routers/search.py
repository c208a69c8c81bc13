"""Search, count, scan, delete by filter, recall."""

from typing import Annotated

from fastapi import APIRouter, Body

from quiredb.api.answers import EncodedAnswer, JsonAnswer, answer
from quiredb.api.bodies import StrictRoute
from quiredb.api.dependencies import (
    IdempotencyDependency,
    LibraryPath,
    PageTermsDependency,
    ReadTermsDependency,
    ServicesDependency,
)
from quiredb.api.direct import DirectRoute
from quiredb.api.found import found_answer, found_batch_answer
from quiredb.api.openapi import BODY_PROBLEMS, WRITE_PROBLEMS
from quiredb.api.schemas.chunks import ChunkPage, chunk_answer
from quiredb.api.schemas.search import (
    FILTER_EXAMPLE,
    SEARCH_EXAMPLE,
    CountAnswer,
    CountBody,
    DeleteMatchingAnswer,
    DeleteMatchingBody,
    RecallAnswer,
    RecallBody,
    ScanBody,
    SearchBatchAnswer,
    SearchBatchBody,
    SearchBody,
    SearchResultAnswer,
    parsed_filter,
    recall_answer,
)
from quiredb.domain.filter_parsing import parse_filter

router = APIRouter(prefix="/v1/libraries/{library}", tags=["search"], route_class=StrictRoute)


def search(
    services: ServicesDependency,
    library: LibraryPath,
    body: Annotated[SearchBody, Body(examples=[SEARCH_EXAMPLE])],
    terms: ReadTermsDependency,
) -> EncodedAnswer:
    """The k chunks nearest to a vector or text among those that match the filter; fewer only when fewer match."""
    terms.wait(services, library)
    found = services.search.search(library, body.to_domain())
    return found_answer(found, body)


def search_batch(
    services: ServicesDependency,
    library: LibraryPath,
    body: Annotated[SearchBatchBody, Body(examples=[{"searches": [SEARCH_EXAMPLE]}])],
    terms: ReadTermsDependency,
) -> EncodedAnswer:
    """Several searches of one state of the library, answered in the same order."""
    terms.wait(services, library)
    requests = [one.to_domain(f"/searches/{number}") for number, one in enumerate(body.searches)]
    found = services.search.search_batch(library, requests)
    return found_batch_answer(found, body.searches)


router.add_api_route(
    "/search",
    search,
    methods=["POST"],
    operation_id="search",
    summary="Search",
    response_model=SearchResultAnswer,
    responses=BODY_PROBLEMS,
    route_class_override=DirectRoute,
)
router.add_api_route(
    "/search/batch",
    search_batch,
    methods=["POST"],
    operation_id="search_batch",
    summary="Several searches",
    response_model=SearchBatchAnswer,
    responses=BODY_PROBLEMS,
    route_class_override=DirectRoute,
)


@router.post(
    "/recall",
    operation_id="measure_recall",
    summary="Measure recall now",
    response_model=RecallAnswer,
    responses=BODY_PROBLEMS,
)
def measure_recall(
    services: ServicesDependency,
    library: LibraryPath,
    body: Annotated[RecallBody, Body(examples=[{"sample": 100, "k": 10, "recall": 0.95}])],
    terms: ReadTermsDependency,
) -> JsonAnswer:
    """Runs the given or sampled queries both ways, by the index and exactly, and compares."""
    terms.wait(services, library)
    report = services.search.recall(library, body.to_domain())
    return answer(recall_answer(report), position=report.position)


@router.post(
    "/count",
    operation_id="count_chunks",
    summary="Count chunks",
    response_model=CountAnswer,
    responses=BODY_PROBLEMS,
)
def count_chunks(
    services: ServicesDependency,
    library: LibraryPath,
    body: Annotated[CountBody, Body(examples=[{"filter": FILTER_EXAMPLE}])],
    terms: ReadTermsDependency,
) -> JsonAnswer:
    """How many chunks match the filter."""
    terms.wait(services, library)
    counted = services.search.count(library, parsed_filter(body.filter, "/filter"))
    return answer({"count": counted.count, "position": counted.position}, position=counted.position)


@router.post(
    "/chunks/scan",
    operation_id="scan_chunks",
    summary="List chunks by filter",
    response_model=ChunkPage,
    responses=BODY_PROBLEMS,
)
def scan_chunks(
    services: ServicesDependency,
    library: LibraryPath,
    body: Annotated[ScanBody, Body(examples=[{"filter": FILTER_EXAMPLE, "include": ["text"]}])],
    page: PageTermsDependency,
    terms: ReadTermsDependency,
) -> JsonAnswer:
    """The chunks that match the filter, by id."""
    terms.wait(services, library)
    filter_ = parsed_filter(body.filter, "/filter")
    found = services.search.scan(library, filter_, page.after(), page.limit, body.include)
    parts = frozenset(part.value for part in body.include)
    items = [chunk_answer(chunk, b64=body.vector_encoding == "b64", parts=parts) for chunk in found.items]
    cursor = page.next_cursor([found.items[-1].id], more=found.more) if found.items else None
    return answer({"items": items, "next_cursor": cursor}, position=found.position)


@router.post(
    "/chunks/delete",
    operation_id="delete_chunks",
    summary="Delete chunks by filter",
    response_model=DeleteMatchingAnswer,
    responses=WRITE_PROBLEMS,
)
def delete_chunks(
    services: ServicesDependency,
    library: LibraryPath,
    body: Annotated[DeleteMatchingBody, Body(examples=[{"filter": FILTER_EXAMPLE, "dry_run": True}])],
    idempotency: IdempotencyDependency,
) -> JsonAnswer:
    """Deletes the chunks that match now, in one commit; `dry_run` only counts them. `{}` matches all."""
    filter_ = parse_filter(body.filter)
    counted = services.chunks.delete_matching(library, filter_, dry_run=body.dry_run, idempotency=idempotency)
    content = {
        "matched": counted.count,
        "deleted": 0 if body.dry_run else counted.count,
        "position": counted.position,
    }
    return answer(content, position=counted.position, replayed=counted.replayed)
