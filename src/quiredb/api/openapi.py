"""The OpenAPI description: FastAPI's own, with problem documents and the headers that whole groups of routes share."""

from typing import Any

import orjson
from fastapi import FastAPI
from pydantic import TypeAdapter

from quiredb.api.errors import kinds_with
from quiredb.api.middleware.authentication import FREE_PATHS
from quiredb.api.problems import PROBLEM_MEDIA_TYPE
from quiredb.api.rights import RIGHTS
from quiredb.api.schemas.filters import FILTER, filter_schema
from quiredb.api.schemas.problems import Problem
from quiredb.domain.rights import Right

TITLE = "Quire"
DESCRIPTION = (
    "A vector database: libraries hold documents, documents hold ordered chunks, chunks are text, embedding and "
    "metadata. Errors are problem documents (RFC 9457); every write and read of a library says its position."
)
TAGS = [
    {"name": "libraries", "description": "Make, configure, describe and remove libraries."},
    {"name": "documents", "description": "Documents, with or without their chunks."},
    {"name": "chunks", "description": "Chunks, of one document in order and of a library by id."},
    {"name": "search", "description": "Nearest neighbours, filters, counts and measured recall."},
    {"name": "indexes", "description": "What serves searches, and building another."},
    {"name": "transfer", "description": "Whole libraries in and out as NDJSON."},
    {"name": "keys", "description": "API keys: who may do what."},
    {"name": "jobs", "description": "Long work."},
    {"name": "server", "description": "Probes, versions, metrics and limits."},
]
_REFERENCE = "#/components/schemas/{model}"
_PROBLEM_CONTENT = {PROBLEM_MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
_EVERYWHERE = (422, 500, 503)
_POSITION = {"description": "Position of the library", "schema": {"type": "integer", "minimum": 0}}
_BEARER = {
    "type": "http",
    "scheme": "bearer",
    "description": "A key made by `quire key create`. Servers without keys ask for none.",
}
_CHALLENGE = {"description": "`Bearer`", "schema": {"type": "string"}}
_REQUEST_ID = {"description": "The id of the request, also in the server's log", "schema": {"type": "string"}}

Responses = dict[int | str, dict[str, Any]]


def problems(*statuses: int) -> Responses:
    """The error answers of an operation: these statuses and those that every operation can have."""
    responses: Responses = {}
    for status in sorted({*statuses, *_EVERYWHERE}):
        kinds = kinds_with(status)
        meaning = " ".join(f"`{kind.code}`: {kind.meaning}" for kind in kinds)
        responses[status] = {"description": meaning, "content": _PROBLEM_CONTENT}
    return responses


UNCHANGED: Responses = {304: {"description": "The client's ETag is still right."}}
READ_PROBLEMS = problems(404)
CONDITIONAL_READ_PROBLEMS = {**UNCHANGED, **problems(400, 404)}
BODY_PROBLEMS = problems(400, 404, 413, 415, 502)
WRITE_PROBLEMS = problems(400, 404, 409, 412, 413, 415, 502, 507)


def described(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document of an application."""
    document = app.openapi()
    schemas = document["components"]["schemas"]
    problem = TypeAdapter(Problem).json_schema(ref_template=_REFERENCE, mode="serialization")
    schemas.update(problem.pop("$defs", {}))
    schemas["Problem"] = problem
    schemas[FILTER] = filter_schema()
    document["components"]["securitySchemes"] = {"bearer": _BEARER}
    document["security"] = [{}, {"bearer": []}]
    for path, operations in document["paths"].items():
        for operation in operations.values():
            _add_security(path, operation)
            _add_headers(path, operation)
            _require_values(operation)
    return document


def _add_security(path: str, operation: dict[str, Any]) -> None:
    if path in FREE_PATHS:
        operation["security"] = []
        return
    refused = problems(401, 403)
    operation["responses"]["401"] = {**refused[401], "headers": {"WWW-Authenticate": _CHALLENGE}}
    if isinstance(RIGHTS[operation["operationId"]], Right):
        operation["responses"]["403"] = refused[403]


def _add_headers(path: str, operation: dict[str, Any]) -> None:
    for status, response in operation["responses"].items():
        headers = response.setdefault("headers", {})
        headers.setdefault("X-Request-Id", _REQUEST_ID)
        if path.startswith("/v1/libraries/{library}") and status.startswith("2"):
            headers.setdefault("X-Quire-Position", _POSITION)


def _require_values(operation: dict[str, Any]) -> None:
    """A header or query parameter is there or not; it has no null, though its Python type may say so."""
    for parameter in operation.get("parameters", ()):
        schema = parameter["schema"]
        given = [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]
        if len(given) == 1:
            parameter["schema"] = {**{name: value for name, value in schema.items() if name != "anyOf"}, **given[0]}


def as_text(document: dict[str, Any]) -> str:
    """The document as it is committed: indented, keys in order."""
    return orjson.dumps(
        document, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
    ).decode()
