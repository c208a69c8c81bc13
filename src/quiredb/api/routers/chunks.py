"""Chunks: of one document in order, and of a library by id."""

import dataclasses
from typing import Annotated

from fastapi import APIRouter, Body, Query
from starlette.responses import Response

from quiredb.api.answers import JsonAnswer, answer, empty
from quiredb.api.bodies import MERGE_PATCH, StrictRoute
from quiredb.api.dependencies import (
    ChunkPath,
    DocumentPath,
    IdempotencyDependency,
    IfNoneMatch,
    LibraryPath,
    PageTermsDependency,
    ReadTermsDependency,
    ServicesDependency,
    WriteConditionsDependency,
)
from quiredb.api.merge_patch import merge
from quiredb.api.openapi import CONDITIONAL_READ_PROBLEMS, READ_PROBLEMS, WRITE_PROBLEMS
from quiredb.api.preconditions import is_unchanged, version_tag
from quiredb.api.schemas.base import check_same_id, validate
from quiredb.api.schemas.chunks import (
    BATCH_EXAMPLE,
    CHUNK_EXAMPLE,
    BatchAnswer,
    BatchBody,
    ChunkAnswer,
    ChunkBody,
    ChunkPage,
    ChunkPatch,
    IncludeEmbedding,
    chunk_answer,
    chunk_writable,
    operation_answer,
)
from quiredb.api.schemas.search import VectorEncoding
from quiredb.domain.chunk import Chunk
from quiredb.domain.commands import Receipt
from quiredb.domain.drafts import ChunkDraft
from quiredb.domain.reading import Read

_OF_DOCUMENT = "/documents/{document}/chunks"
router = APIRouter(prefix="/v1/libraries/{library}", tags=["chunks"], route_class=StrictRoute)

Includes = Annotated[list[IncludeEmbedding] | None, Query(description="`embedding`: answer embeddings too")]
Encoding = Annotated[VectorEncoding, Query(description="How embeddings are written")]


@router.get(
    _OF_DOCUMENT,
    operation_id="list_chunks",
    summary="List a document's chunks",
    response_model=ChunkPage,
    responses=READ_PROBLEMS,
)
def list_chunks(
    services: ServicesDependency,
    library: LibraryPath,
    document: DocumentPath,
    page: PageTermsDependency,
    terms: ReadTermsDependency,
    include: Includes = None,
    vector_encoding: Encoding = "numbers",
) -> JsonAnswer:
    """The chunks of a document in order."""
    terms.wait(services, library)
    place = page.place()
    after = None if place is None else (int(place[0]), str(place[1]))
    found = services.chunks.list(library, document, after, page.limit, with_embedding=bool(include))
    cursor = page.next_cursor([found.items[-1].position, found.items[-1].id], more=found.more) if found.items else None
    items = [chunk_answer(chunk, b64=vector_encoding == "b64") for chunk in found.items]
    return answer({"items": items, "next_cursor": cursor}, position=found.position)


@router.post(
    _OF_DOCUMENT,
    operation_id="create_chunk",
    summary="Create a chunk",
    status_code=201,
    response_model=ChunkAnswer,
    responses=WRITE_PROBLEMS,
)
def create_chunk(
    services: ServicesDependency,
    library: LibraryPath,
    document: DocumentPath,
    body: Annotated[ChunkBody, Body(examples=[CHUNK_EXAMPLE])],
    idempotency: IdempotencyDependency,
) -> JsonAnswer:
    """Adds a chunk, at the end or at `position`; without `id` the server makes one."""
    receipt = services.chunks.create(library, document, body.to_domain(), idempotency)
    return _written(receipt, location=f"/v1/libraries/{library}/documents/{document}/chunks/")


@router.get(
    f"{_OF_DOCUMENT}/{{chunk}}",
    operation_id="get_document_chunk",
    summary="Read a chunk of a document",
    response_model=ChunkAnswer,
    responses=CONDITIONAL_READ_PROBLEMS,
)
def get_document_chunk(
    services: ServicesDependency,
    library: LibraryPath,
    document: DocumentPath,
    chunk: ChunkPath,
    terms: ReadTermsDependency,
    if_none_match: IfNoneMatch = None,
    include: Includes = None,
    vector_encoding: Encoding = "numbers",
) -> Response:
    """One chunk, only as a chunk of this document."""
    terms.wait(services, library)
    found = services.chunks.get(library, chunk, document, with_embedding=bool(include))
    return _found(found, if_none_match, vector_encoding)


@router.get(
    "/chunks/{chunk}",
    operation_id="get_chunk",
    summary="Read a chunk by its id alone",
    response_model=ChunkAnswer,
    responses=CONDITIONAL_READ_PROBLEMS,
)
def get_chunk(
    services: ServicesDependency,
    library: LibraryPath,
    chunk: ChunkPath,
    terms: ReadTermsDependency,
    if_none_match: IfNoneMatch = None,
    include: Includes = None,
    vector_encoding: Encoding = "numbers",
) -> Response:
    """One chunk; ids of chunks are unique in a library."""
    terms.wait(services, library)
    found = services.chunks.get(library, chunk, with_embedding=bool(include))
    return _found(found, if_none_match, vector_encoding)


@router.put(
    f"{_OF_DOCUMENT}/{{chunk}}",
    operation_id="put_chunk",
    summary="Create or replace a chunk",
    response_model=ChunkAnswer,
    responses={201: {"model": ChunkAnswer, "description": "Created"}, **WRITE_PROBLEMS},
)
def put_chunk(
    services: ServicesDependency,
    library: LibraryPath,
    document: DocumentPath,
    chunk: ChunkPath,
    body: Annotated[ChunkBody, Body(examples=[CHUNK_EXAMPLE])],
    conditions: WriteConditionsDependency,
) -> JsonAnswer:
    """Creates or replaces a chunk of a document that exists. Without `position` it stays where it is."""
    check_same_id(chunk, body.id)
    expected = conditions.expectation(lambda: services.chunks.get(library, chunk, document).resource.version)
    return _written(services.chunks.put(library, document, body.to_domain(chunk), expected))


@router.patch(
    f"{_OF_DOCUMENT}/{{chunk}}",
    operation_id="patch_chunk",
    summary="Change a chunk",
    response_model=ChunkAnswer,
    responses=WRITE_PROBLEMS,
)
def patch_chunk(
    services: ServicesDependency,
    library: LibraryPath,
    document: DocumentPath,
    chunk: ChunkPath,
    patch: Annotated[ChunkPatch, Body(media_type=MERGE_PATCH)],
    conditions: WriteConditionsDependency,
) -> JsonAnswer:
    """Applies a merge patch. A new text without an embedding is embedded by the library's embedder."""

    def edit(current: Chunk) -> ChunkDraft:
        body = validate(ChunkBody, merge(chunk_writable(current), patch.root))
        check_same_id(chunk, body.id)
        draft = body.to_domain(chunk)
        keeps_embedding = "embedding" not in patch.root and draft.text == current.text
        return dataclasses.replace(draft, embedding=current.embedding) if keeps_embedding else draft

    expected = conditions.expectation(lambda: services.chunks.get(library, chunk, document).resource.version)
    return _written(services.chunks.patch(library, document, chunk, edit, expected))


@router.delete(
    f"{_OF_DOCUMENT}/{{chunk}}",
    operation_id="delete_chunk",
    summary="Delete a chunk",
    status_code=204,
    responses=WRITE_PROBLEMS,
)
def delete_chunk(
    services: ServicesDependency,
    library: LibraryPath,
    document: DocumentPath,
    chunk: ChunkPath,
    conditions: WriteConditionsDependency,
) -> Response:
    """Removes the chunk."""
    expected = conditions.expectation(lambda: services.chunks.get(library, chunk, document).resource.version)
    return empty(204, position=services.chunks.delete(library, document, chunk, expected).position)


@router.post(
    "/chunks/batch",
    operation_id="batch_chunks",
    summary="Put and delete chunks atomically",
    response_model=BatchAnswer,
    responses=WRITE_PROBLEMS,
)
def batch_chunks(
    services: ServicesDependency,
    library: LibraryPath,
    body: Annotated[BatchBody, Body(examples=[BATCH_EXAMPLE])],
    idempotency: IdempotencyDependency,
) -> JsonAnswer:
    """All operations happen in one commit, in order, or none does."""
    drafts = [operation.to_domain() for operation in body.operations]
    receipt = services.chunks.batch(library, drafts, idempotency)
    results = [operation_answer(draft, outcome) for draft, outcome in zip(drafts, receipt.outcomes, strict=True)]
    content = {"results": results, "position": receipt.position}
    return answer(content, position=receipt.position, replayed=receipt.replayed)


def _found(found: Read[Chunk], if_none_match: str | None, encoding: VectorEncoding) -> Response:
    etag = version_tag(found.resource.version)
    if is_unchanged(if_none_match, etag):
        return empty(304, position=found.position, etag=etag)
    return answer(chunk_answer(found.resource, b64=encoding == "b64"), position=found.position, etag=etag)


def _written(receipt: Receipt, location: str | None = None) -> JsonAnswer:
    outcome = receipt.outcomes[0]
    assert isinstance(outcome.resource, Chunk)
    chunk = dataclasses.replace(outcome.resource, embedding=None)
    return answer(
        chunk_answer(chunk),
        status=201 if outcome.created else 200,
        position=receipt.position,
        etag=version_tag(chunk.version),
        location=location and location + chunk.id,
        replayed=receipt.replayed,
    )
