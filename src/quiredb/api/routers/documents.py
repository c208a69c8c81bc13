"""Documents of a library."""

from typing import Annotated

from fastapi import APIRouter, Body
from starlette.responses import Response

from quiredb.api.answers import JsonAnswer, answer, empty
from quiredb.api.bodies import MERGE_PATCH, StrictRoute
from quiredb.api.dependencies import (
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
from quiredb.api.schemas.documents import (
    DOCUMENT_EXAMPLE,
    DocumentAnswer,
    DocumentBody,
    DocumentPage,
    DocumentPatch,
    PatchedDocument,
    document_answer,
)
from quiredb.api.schemas.metadata import document_metadata_answer
from quiredb.domain.commands import Receipt
from quiredb.domain.document import Document
from quiredb.domain.metadata import DocumentMetadata

router = APIRouter(prefix="/v1/libraries/{library}/documents", tags=["documents"], route_class=StrictRoute)


@router.get(
    "", operation_id="list_documents", summary="List documents", response_model=DocumentPage, responses=READ_PROBLEMS
)
def list_documents(
    services: ServicesDependency, library: LibraryPath, page: PageTermsDependency, terms: ReadTermsDependency
) -> JsonAnswer:
    """Documents by id, without their chunks."""
    terms.wait(services, library)
    found = services.documents.list(library, page.after(), page.limit)
    cursor = page.next_cursor([found.items[-1].id], more=found.more) if found.items else None
    content = {"items": [document_answer(document) for document in found.items], "next_cursor": cursor}
    return answer(content, position=found.position)


@router.post(
    "",
    operation_id="create_document",
    summary="Create a document",
    status_code=201,
    response_model=DocumentAnswer,
    responses=WRITE_PROBLEMS,
)
def create_document(
    services: ServicesDependency,
    library: LibraryPath,
    body: Annotated[DocumentBody, Body(examples=[DOCUMENT_EXAMPLE])],
    idempotency: IdempotencyDependency,
) -> JsonAnswer:
    """Makes a document, with its chunks in one commit; without ids the server makes them."""
    receipt = services.documents.create(library, body.to_domain(), idempotency)
    return _written(receipt, location=f"/v1/libraries/{library}/documents/")


@router.get(
    "/{document}",
    operation_id="get_document",
    summary="Read a document",
    response_model=DocumentAnswer,
    responses=CONDITIONAL_READ_PROBLEMS,
)
def get_document(
    services: ServicesDependency,
    library: LibraryPath,
    document: DocumentPath,
    terms: ReadTermsDependency,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """One document, without its chunks."""
    terms.wait(services, library)
    found = services.documents.get(library, document)
    etag = version_tag(found.resource.version)
    if is_unchanged(if_none_match, etag):
        return empty(304, position=found.position, etag=etag)
    return answer(document_answer(found.resource), position=found.position, etag=etag)


@router.put(
    "/{document}",
    operation_id="put_document",
    summary="Create or replace a document",
    response_model=DocumentAnswer,
    responses={201: {"model": DocumentAnswer, "description": "Created"}, **WRITE_PROBLEMS},
)
def put_document(
    services: ServicesDependency,
    library: LibraryPath,
    document: DocumentPath,
    body: Annotated[DocumentBody, Body(examples=[DOCUMENT_EXAMPLE])],
    conditions: WriteConditionsDependency,
) -> JsonAnswer:
    """Creates or replaces a document; with `chunks`, all its chunks in the same commit."""
    check_same_id(document, body.id)
    expected = conditions.expectation(lambda: services.documents.get(library, document).resource.version)
    return _written(services.documents.put(library, body.to_domain(document), expected))


@router.patch(
    "/{document}",
    operation_id="patch_document",
    summary="Change a document's metadata",
    response_model=DocumentAnswer,
    responses=WRITE_PROBLEMS,
)
def patch_document(
    services: ServicesDependency,
    library: LibraryPath,
    document: DocumentPath,
    patch: Annotated[DocumentPatch, Body(media_type=MERGE_PATCH)],
    conditions: WriteConditionsDependency,
) -> JsonAnswer:
    """Applies a merge patch to `metadata`; the chunks stay."""

    def edit(current: Document) -> DocumentMetadata:
        merged = merge({"metadata": document_metadata_answer(current.metadata)}, patch.root)
        return validate(PatchedDocument, merged).metadata.to_domain()

    expected = conditions.expectation(lambda: services.documents.get(library, document).resource.version)
    return _written(services.documents.patch(library, document, edit, expected))


@router.delete(
    "/{document}",
    operation_id="delete_document",
    summary="Delete a document",
    status_code=204,
    responses=WRITE_PROBLEMS,
)
def delete_document(
    services: ServicesDependency, library: LibraryPath, document: DocumentPath, conditions: WriteConditionsDependency
) -> Response:
    """Removes the document and its chunks."""
    expected = conditions.expectation(lambda: services.documents.get(library, document).resource.version)
    return empty(204, position=services.documents.delete(library, document, expected).position)


def _written(receipt: Receipt, location: str | None = None) -> JsonAnswer:
    outcome = receipt.outcomes[0]
    assert isinstance(outcome.resource, Document)
    return answer(
        document_answer(outcome.resource),
        status=201 if outcome.created else 200,
        position=receipt.position,
        etag=version_tag(outcome.resource.version),
        location=location and location + outcome.resource.id,
        replayed=receipt.replayed,
    )
