"""Lines of imports and exports, and the report of an import."""

from hashlib import sha256
from typing import Annotated, Any

from pydantic import Field
from typing_extensions import TypedDict

from quiredb.api.schemas.base import Identifier, validate
from quiredb.api.schemas.chunks import ChunkBody
from quiredb.api.schemas.documents import DocumentBody
from quiredb.api.schemas.problems import violation_answer
from quiredb.api.strict_json import decode_object
from quiredb.domain.drafts import DocumentDraft, ImportItem, ImportReport, PutChunkDraft
from quiredb.domain.errors import QuireError, ValidationFailed, Violation
from quiredb.domain.limits import CHUNKS_PER_DOCUMENT_MAX


class NestedChunkLine(ChunkBody):
    """A chunk inside a document's line. What an export adds is ignored."""

    version: Any = None
    created_at: Any = None
    updated_at: Any = None
    document_id: Any = None


class ChunkLine(ChunkBody):
    """A chunk on a line of its own, with the document that it belongs to."""

    document_id: Identifier
    version: Any = None
    created_at: Any = None
    updated_at: Any = None


class DocumentLine(DocumentBody):
    """A document with its chunks on one line."""

    chunks: Annotated[list[NestedChunkLine], Field(max_length=CHUNKS_PER_DOCUMENT_MAX)] | None = None  # type: ignore[assignment]
    version: Any = None
    created_at: Any = None
    updated_at: Any = None
    chunk_count: Any = None


class ImportFaultAnswer(TypedDict):
    """A line that was not imported; lines count from 1."""

    line: int
    pointer: str
    code: str
    detail: str


class ImportAnswer(TypedDict):
    """What an import did. `failed` counts all bad lines, `errors` shows the first of them."""

    documents: int
    chunks: int
    failed: int
    errors: list[ImportFaultAnswer]
    aborted: bool
    position: int


def import_item(line_number: int, raw: bytes) -> ImportItem:
    """What one line asks for, or what is wrong with it. Of good digests, processors know SHA-256 by themselves."""
    return ImportItem(line_number, _content(raw), len(raw), sha256(raw).digest())


def _content(raw: bytes) -> DocumentDraft | PutChunkDraft | Violation:
    try:
        data = decode_object(raw)
        if "text" in data or "document_id" in data:
            chunk = validate(ChunkLine, data)
            return PutChunkDraft(chunk.document_id, chunk.to_domain())
        return validate(DocumentLine, data).to_domain()
    except ValidationFailed as error:
        return error.violations[0]
    except QuireError as error:
        return Violation("", error.code, error.detail)


def import_answer(report: ImportReport) -> ImportAnswer:
    """An import's report as the answer shows it."""
    return {
        "documents": report.documents,
        "chunks": report.chunks,
        "failed": report.failed,
        "errors": [{"line": fault.line, **violation_answer(fault.violation)} for fault in report.errors],
        "aborted": report.aborted,
        "position": report.position,
    }
