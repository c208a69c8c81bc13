"""Libraries on the wire."""

from collections.abc import Mapping
from typing import Annotated, Any, NotRequired, TypeAlias

from pydantic import Field, PlainValidator, RootModel, WithJsonSchema
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from quiredb.api.schemas.base import Identifier, InstantAnswer, RequestModel, patch_schema
from quiredb.api.schemas.metadata import (
    Bounded,
    LibraryMetadataAnswer,
    LibraryMetadataBody,
    Text,
    library_metadata_answer,
)
from quiredb.domain.drafts import EmbedderChoice, LibraryDraft, LibrarySettings
from quiredb.domain.library import EmbedderSpec, IndexKind, IndexSpec, Library
from quiredb.domain.limits import DIMENSION_MAX
from quiredb.domain.metric import Metric
from quiredb.domain.times import format_instant

LIBRARY_EXAMPLE: dict[str, Any] = {
    "dimension": 384,
    "metric": "cosine",
    "index": {"kind": "auto"},
    "metadata": {"title": "Handbooks", "tags": ["internal"]},
}


def _parse_kind(value: object) -> IndexKind:
    if isinstance(value, str) and value in set(IndexKind):
        return IndexKind(value)
    raise PydanticCustomError("index-kind", f"An index is one of {', '.join(IndexKind)}.")


IndexKindField: TypeAlias = Annotated[
    IndexKind, PlainValidator(_parse_kind), WithJsonSchema({"type": "string", "enum": list(IndexKind)})
]


class IndexParametersBody(RequestModel):
    """What shapes an index: `degree` and `build_effort` a graph, `lists` an ivf. Left out: chosen by Quire."""

    degree: Annotated[int, Field(ge=8, le=64, description="Neighbours of each node")] | None = None
    build_effort: Annotated[int, Field(ge=16, le=512, description="How thoroughly near rows are sought")] | None = None
    lists: Annotated[int, Field(ge=1, le=65_536, description="About how many lists to a segment")] | None = None


class IndexBody(RequestModel):
    """Which index a library shall have."""

    kind: IndexKindField = IndexKind.AUTO
    parameters: IndexParametersBody = Field(default_factory=IndexParametersBody)

    def to_domain(self) -> IndexSpec:
        """As the domain has it."""
        return IndexSpec(self.kind, self.parameters.model_dump(exclude_none=True))


class EmbedderBody(RequestModel):
    """The embedder of a library, among those that the server's configuration allows."""

    provider: Text
    model: Text
    dimension: Annotated[int, Field(ge=1, le=DIMENSION_MAX)] | None = None
    document_input_type: Text | None = None
    query_input_type: Text | None = None

    def to_domain(self) -> EmbedderChoice:
        """As the domain has it."""
        return EmbedderChoice(
            self.provider, self.model, self.dimension, self.document_input_type, self.query_input_type
        )


def _parse_metric(value: object) -> Metric:
    if isinstance(value, str) and value in set(Metric):
        return Metric(value)
    raise PydanticCustomError("metric", f"A metric is one of {', '.join(Metric)}.")


MetricField: TypeAlias = Annotated[
    Metric, PlainValidator(_parse_metric), WithJsonSchema({"type": "string", "enum": list(Metric)})
]


class LibraryBody(RequestModel):
    """A library to create, or to have its settings replaced. Dimension and metric stay as they were created."""

    id: Identifier | None = None
    dimension: Annotated[int, Field(ge=1, le=DIMENSION_MAX, description="May be left out with an embedder")] | None = (
        None
    )
    metric: MetricField = Metric.COSINE
    index: IndexBody = Field(default_factory=IndexBody)
    embedder: EmbedderBody | None = None
    metadata: Bounded[LibraryMetadataBody] = Field(default_factory=LibraryMetadataBody)

    def to_domain(self, library_id: str | None = None) -> LibraryDraft:
        """As the domain has it, under the id of the path where there is one."""
        return LibraryDraft(
            library_id or self.id,
            self.dimension,
            self.metric,
            self.index.to_domain(),
            self.embedder.to_domain() if self.embedder else None,
            self.metadata.to_domain(),
        )


class LibraryPatch(RootModel[dict[str, Any]]):
    """A merge patch (RFC 7396) on `metadata`, `index` and `embedder`; null removes."""

    model_config = {
        "json_schema_extra": patch_schema(
            {"metadata": {"title": "Handbooks 2026", "tags": None}},
            dimension={"type": "integer"},
            metric={"type": "string", "enum": list(Metric)},
            metadata={"type": ["object", "null"]},
            index={"type": ["object", "null"]},
            embedder={"type": ["object", "null"]},
        )
    }


class PatchedLibrary(RequestModel):
    """What a patched library must look like."""

    dimension: int
    metric: MetricField
    index: IndexBody = Field(default_factory=IndexBody)
    embedder: EmbedderBody | None = None
    metadata: Bounded[LibraryMetadataBody] = Field(default_factory=LibraryMetadataBody)


class IndexChoiceAnswer(TypedDict):
    """The index that a library asks for."""

    kind: Annotated[str, Field(json_schema_extra={"enum": list(IndexKind)})]
    parameters: Mapping[str, int]


class EmbedderAnswer(TypedDict):
    """The embedder that a library remembers."""

    provider: str
    model: str
    dimension: int
    document_input_type: NotRequired[str]
    query_input_type: NotRequired[str]


class LibraryAnswer(TypedDict):
    """A library."""

    id: str
    dimension: int
    metric: Annotated[str, Field(json_schema_extra={"enum": list(Metric)})]
    index: IndexChoiceAnswer
    embedder: EmbedderAnswer | None
    metadata: LibraryMetadataAnswer
    document_count: int
    chunk_count: int
    position: int
    version: int
    created_at: InstantAnswer
    updated_at: InstantAnswer


class LibraryPage(TypedDict):
    """Libraries by id."""

    items: list[LibraryAnswer]
    next_cursor: str | None


def index_choice_answer(spec: IndexSpec) -> IndexChoiceAnswer:
    """An index specification as the answer shows it."""
    return {"kind": spec.kind.value, "parameters": dict(spec.parameters)}


def embedder_answer(spec: EmbedderSpec) -> EmbedderAnswer:
    """An embedder without what is not set."""
    answer: EmbedderAnswer = {"provider": spec.provider, "model": spec.model, "dimension": spec.dimension}
    if spec.document_input_type is not None:
        answer["document_input_type"] = spec.document_input_type
    if spec.query_input_type is not None:
        answer["query_input_type"] = spec.query_input_type
    return answer


def library_answer(library: Library) -> LibraryAnswer:
    """A library as the answer shows it."""
    return {
        "id": library.id,
        "dimension": library.dimension,
        "metric": library.metric.value,
        "index": index_choice_answer(library.index),
        "embedder": embedder_answer(library.embedder) if library.embedder else None,
        "metadata": library_metadata_answer(library.metadata),
        "document_count": library.document_count,
        "chunk_count": library.chunk_count,
        "position": library.position,
        "version": library.version,
        "created_at": format_instant(library.created_at),
        "updated_at": format_instant(library.updated_at),
    }


def library_writable(library: Library) -> dict[str, Any]:
    """The part of a library that a merge patch is applied to."""
    answer = library_answer(library)
    return {
        "dimension": answer["dimension"],
        "metric": answer["metric"],
        "index": answer["index"],
        "embedder": answer["embedder"],
        "metadata": answer["metadata"],
    }


def library_settings(patched: PatchedLibrary, current: Library) -> LibrarySettings:
    """The settings after a patch; an embedder that did not change stays as it was chosen."""
    embedder = patched.embedder.to_domain() if patched.embedder else None
    unchanged = current.embedder is not None and patched.embedder == EmbedderBody(**embedder_answer(current.embedder))
    return LibrarySettings(
        patched.metadata.to_domain(), patched.index.to_domain(), current.embedder if unchanged else embedder
    )
