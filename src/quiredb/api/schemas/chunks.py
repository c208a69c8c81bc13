"""Chunks on the wire."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, NotRequired, Self, TypeAlias

from pydantic import AfterValidator, ConfigDict, Field, RootModel, model_validator
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from quiredb.api.schemas.base import Identifier, InstantAnswer, RequestModel, one_of, patch_schema
from quiredb.api.schemas.metadata import Bounded, ChunkMetadataAnswer, ChunkMetadataBody, chunk_metadata_answer
from quiredb.api.vectors import Vector, VectorAnswer, encode_vector
from quiredb.domain.chunk import Chunk
from quiredb.domain.commands import ANY_STATE, Expectation, Outcome
from quiredb.domain.drafts import BatchDraft, ChunkDraft, DeleteChunkDraft, PutChunkDraft
from quiredb.domain.limits import BATCH_OPERATIONS_MAX, CHUNK_POSITION_MAX, TEXT_BYTES_MAX
from quiredb.domain.times import format_instant

CHUNK_EXAMPLE: dict[str, Any] = {
    "text": "A quire is a gathering of pages.",
    "embedding": [0.12, -0.5, 0.86],
    "metadata": {"name": "Definition", "page": 1},
}
BATCH_EXAMPLE: dict[str, Any] = {
    "operations": [
        {"put": {"id": "c1", "document_id": "guide", **CHUNK_EXAMPLE}},
        {"delete": {"id": "c2"}},
    ]
}


def _check_text(text: str) -> str:
    if len(text) * 4 > TEXT_BYTES_MAX and len(text.encode()) > TEXT_BYTES_MAX:
        raise PydanticCustomError("text-too-long", f"A text has at most {TEXT_BYTES_MAX} bytes of UTF-8.")
    return text


ChunkText: TypeAlias = Annotated[
    str, AfterValidator(_check_text), Field(json_schema_extra={"maxLength": TEXT_BYTES_MAX})
]
ChunkPosition: TypeAlias = Annotated[
    int, Field(ge=0, le=CHUNK_POSITION_MAX, description="Place in the document; left out: after the last")
]


class ChunkBody(RequestModel):
    """A chunk to write. Without `embedding` the library's embedder makes it."""

    id: Identifier | None = None
    text: ChunkText
    embedding: Vector | None = None
    position: ChunkPosition | None = None
    metadata: Bounded[ChunkMetadataBody] = Field(default_factory=ChunkMetadataBody)

    def to_domain(self, chunk_id: str | None = None) -> ChunkDraft:
        """As the domain has it, under the id of the path where there is one."""
        return ChunkDraft(chunk_id or self.id, self.text, self.embedding, self.metadata.to_domain(), self.position)


class ChunkPatch(RootModel[dict[str, Any]]):
    """A merge patch (RFC 7396) on `text`, `embedding`, `position` and `metadata`.

    A new text without an embedding is embedded by the library's embedder; null removes.
    """

    model_config = {
        "json_schema_extra": patch_schema(
            {"metadata": {"page": 2, "section": None}},
            text={"type": ["string", "null"]},
            embedding={"type": ["array", "object", "null"]},
            position={"type": ["integer", "null"], "minimum": 0, "maximum": CHUNK_POSITION_MAX},
            metadata={"type": ["object", "null"]},
        )
    }


class PutOperation(ChunkBody):
    """A chunk to write in a batch."""

    document_id: Identifier
    if_version: Annotated[int, Field(ge=1, description="Only at this version")] | None = None
    if_absent: Annotated[bool, Field(description="Only if there is none")] = False


class DeleteOperation(RequestModel):
    """A chunk to delete in a batch; none there is no error."""

    id: Identifier
    if_version: Annotated[int, Field(ge=1, description="Only at this version")] | None = None


class BatchOperation(RequestModel):
    """Exactly one of `put` and `delete`."""

    model_config = ConfigDict(json_schema_extra=one_of(put=["object"], delete=["object"]))

    put: PutOperation | None = None
    delete: DeleteOperation | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.put is None) == (self.delete is None):
            raise PydanticCustomError("operation", "An operation has exactly one of put and delete.")
        return self

    def to_domain(self) -> BatchDraft:
        """As the domain has it."""
        if self.put is not None:
            expected = Expectation(self.put.if_version, self.put.if_absent)
            return PutChunkDraft(self.put.document_id, self.put.to_domain(), expected)
        assert self.delete is not None
        expected = ANY_STATE if self.delete.if_version is None else Expectation(self.delete.if_version)
        return DeleteChunkDraft(self.delete.id, expected)


class BatchBody(RequestModel):
    """Operations that happen together, in order, or not at all."""

    operations: Annotated[list[BatchOperation], Field(min_length=1, max_length=BATCH_OPERATIONS_MAX)]


class ChunkAnswer(TypedDict):
    """A chunk. `embedding` where it was included; `text` and `metadata` unless a scan left them out."""

    id: str
    document_id: str
    position: int
    text: NotRequired[str]
    embedding: NotRequired[VectorAnswer]
    metadata: NotRequired[ChunkMetadataAnswer]
    version: int
    created_at: InstantAnswer
    updated_at: InstantAnswer


class ChunkPage(TypedDict):
    """Chunks in order."""

    items: list[ChunkAnswer]
    next_cursor: str | None


class OperationAnswer(TypedDict):
    """What one operation of a batch did."""

    id: NotRequired[str]
    status: Annotated[str, Field(json_schema_extra={"enum": ["created", "replaced", "deleted", "absent"]})]
    version: NotRequired[int]


class BatchAnswer(TypedDict):
    """One result for each operation, in order, and the position of the commit."""

    results: list[OperationAnswer]
    position: int


ALL_PARTS = frozenset({"text", "metadata", "embedding"})
PLAIN_PARTS = frozenset({"text", "metadata"})
IncludeEmbedding: TypeAlias = Literal["embedding"]


def chunk_answer(chunk: Chunk, *, b64: bool = False, parts: frozenset[str] = ALL_PARTS) -> ChunkAnswer:
    """A chunk as the answer shows it; its embedding when it carries one."""
    answer: ChunkAnswer = {
        "id": chunk.id,
        "document_id": chunk.document_id,
        "position": chunk.position,
        "version": chunk.version,
        "created_at": format_instant(chunk.created_at),
        "updated_at": format_instant(chunk.updated_at),
    }
    if "text" in parts:
        answer["text"] = chunk.text
    if "metadata" in parts:
        answer["metadata"] = chunk_metadata_answer(chunk.metadata)
    if chunk.embedding is not None and "embedding" in parts:
        answer["embedding"] = encode_vector(chunk.embedding, b64=b64)
    return answer


def operation_answer(draft: BatchDraft, outcome: Outcome) -> OperationAnswer:
    """What became of one operation of a batch."""
    if isinstance(draft, DeleteChunkDraft):
        return {"id": draft.id, "status": "deleted" if outcome.removed else "absent"}
    assert outcome.resource is not None
    return {
        "id": outcome.resource.id,
        "status": "created" if outcome.created else "replaced",
        "version": outcome.resource.version,
    }


def chunk_writable(chunk: Chunk) -> Mapping[str, Any]:
    """The part of a chunk that a merge patch is applied to, except its embedding."""
    return {"text": chunk.text, "position": chunk.position, "metadata": chunk_metadata_answer(chunk.metadata)}
