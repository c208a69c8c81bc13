"""Documents on the wire."""

from typing import Annotated, Any

from pydantic import Field, RootModel
from typing_extensions import TypedDict

from quiredb.api.schemas.base import Identifier, InstantAnswer, RequestModel, patch_schema
from quiredb.api.schemas.chunks import CHUNK_EXAMPLE, ChunkBody
from quiredb.api.schemas.metadata import (
    Bounded,
    DocumentMetadataAnswer,
    DocumentMetadataBody,
    document_metadata_answer,
)
from quiredb.domain.document import Document
from quiredb.domain.drafts import DocumentDraft
from quiredb.domain.limits import CHUNKS_PER_DOCUMENT_MAX
from quiredb.domain.times import format_instant

DOCUMENT_EXAMPLE: dict[str, Any] = {
    "metadata": {
        "title": "Guide",
        "author": "A. Writer",
        "published_at": "2026-01-31T12:00:00Z",
        "attributes": {"licence": "CC-BY-4.0"},
    },
    "chunks": [{"id": "guide-1", **CHUNK_EXAMPLE}],
}


class DocumentBody(RequestModel):
    """A document to write. With `chunks`, they replace all that it has; without, it keeps them."""

    id: Identifier | None = None
    metadata: Bounded[DocumentMetadataBody] = Field(default_factory=DocumentMetadataBody)
    chunks: Annotated[list[ChunkBody], Field(max_length=CHUNKS_PER_DOCUMENT_MAX)] | None = None

    def to_domain(self, document_id: str | None = None) -> DocumentDraft:
        """As the domain has it, under the id of the path where there is one."""
        chunks = None if self.chunks is None else tuple(chunk.to_domain() for chunk in self.chunks)
        return DocumentDraft(document_id or self.id, self.metadata.to_domain(), chunks)


class DocumentPatch(RootModel[dict[str, Any]]):
    """A merge patch (RFC 7396) on `metadata`; null removes."""

    model_config = {
        "json_schema_extra": patch_schema(
            {"metadata": {"author": "B. Writer", "source": None}}, metadata={"type": ["object", "null"]}
        )
    }


class PatchedDocument(RequestModel):
    """What a patched document must look like."""

    metadata: Bounded[DocumentMetadataBody] = Field(default_factory=DocumentMetadataBody)


class DocumentAnswer(TypedDict):
    """A document without its chunks."""

    id: str
    metadata: DocumentMetadataAnswer
    chunk_count: int
    version: int
    created_at: InstantAnswer
    updated_at: InstantAnswer


class DocumentPage(TypedDict):
    """Documents by id."""

    items: list[DocumentAnswer]
    next_cursor: str | None


def document_answer(document: Document) -> DocumentAnswer:
    """A document as the answer shows it."""
    return {
        "id": document.id,
        "metadata": document_metadata_answer(document.metadata),
        "chunk_count": document.chunk_count,
        "version": document.version,
        "created_at": format_instant(document.created_at),
        "updated_at": format_instant(document.updated_at),
    }
