"""Searches, counts, scans and recall on the wire."""

from collections.abc import Hashable
from typing import Annotated, Any, Literal, NotRequired, Self, TypeAlias

from pydantic import ConfigDict, Field, PlainValidator, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from quiredb.api.schemas.base import PacedModel, RequestModel, one_of
from quiredb.api.schemas.chunks import ChunkText
from quiredb.api.schemas.documents import DocumentAnswer
from quiredb.api.schemas.filters import FILTER
from quiredb.api.schemas.metadata import ChunkMetadataAnswer
from quiredb.api.vectors import Vector, VectorAnswer
from quiredb.domain.filter_parsing import parse_filter
from quiredb.domain.filters import Filter
from quiredb.domain.limits import SEARCH_BATCH_MAX, SEARCH_K_MAX
from quiredb.domain.search import (
    DEFAULT_INCLUDE,
    Include,
    RecallReport,
    RecallRequest,
    SearchRequest,
)

RECALL_QUERIES_MAX = 1_000
_INCLUDES = {include.value: include for include in Include}
FILTER_EXAMPLE: dict[str, Any] = {
    "created_at": {"gt": "2026-01-01T00:00:00Z"},
    "name": {"contains": "xyz"},
}
SEARCH_EXAMPLE: dict[str, Any] = {"vector": [0.12, -0.5, 0.86], "k": 5, "filter": FILTER_EXAMPLE, "recall": 0.95}


def _any_object(value: object) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    raise PydanticCustomError("filter", "A filter is an object.")


def _parse_include(value: object) -> frozenset[Include]:
    if isinstance(value, list) and all(isinstance(item, str) and item in _INCLUDES for item in value):
        return frozenset([_INCLUDES[item] for item in value])
    raise PydanticCustomError("include", f"Include is a list of {', '.join(Include)}.")


FilterField: TypeAlias = Annotated[
    dict[str, Any],
    PlainValidator(_any_object),
    WithJsonSchema({"allOf": [{"$ref": f"#/components/schemas/{FILTER}"}], "examples": [FILTER_EXAMPLE]}),
]
IncludeField: TypeAlias = Annotated[
    frozenset[Include],
    PlainValidator(_parse_include),
    WithJsonSchema(
        {
            "type": "array",
            "items": {"type": "string", "enum": list(Include)},
            "uniqueItems": True,
            "default": ["text", "metadata"],
        }
    ),
]
VectorEncoding: TypeAlias = Literal["numbers", "b64"]
"""How an answer writes vectors."""
Recall: TypeAlias = Annotated[float, Field(gt=0, le=1, description="Share of the true neighbours to find")]
Neighbours: TypeAlias = Annotated[int, Field(ge=1, le=SEARCH_K_MAX)]


class SearchBody(PacedModel):
    """The k chunks nearest to a vector or text among those that match the filter."""

    model_config = ConfigDict(json_schema_extra=one_of(vector=["array", "object"], text=["string"]))

    vector: Vector | None = None
    text: ChunkText | None = None
    k: Neighbours = 10
    filter: FilterField | None = None
    recall: Recall | None = None
    exact: bool = False
    include: IncludeField = Field(default_factory=lambda: DEFAULT_INCLUDE)
    explain: bool = False
    vector_encoding: VectorEncoding = "numbers"

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.vector is None) == (self.text is None):
            raise PydanticCustomError("query", "A search has exactly one of vector and text.")
        if self.recall is not None and self.exact:
            raise PydanticCustomError("recall-or-exact", "Ask for recall or for exact, not both.")
        return self

    def kind(self) -> Hashable | None:
        """Searches for a text wait for an embedder, and filters are all different."""
        if self.text is not None or self.filter is not None:
            return None
        return self.k, self.recall, self.exact, self.include, self.vector_encoding

    def to_domain(self, pointer: str = "") -> SearchRequest:
        """As the domain has it; `pointer` is where the search stands in the request."""
        return SearchRequest(
            self.vector,
            self.text,
            self.k,
            parsed_filter(self.filter, f"{pointer}/filter"),
            self.recall,
            self.exact,
            self.include,
            self.explain,
        )


class SearchBatchBody(PacedModel):
    """Several searches, answered in the same order at one position."""

    searches: Annotated[list[SearchBody], Field(min_length=1, max_length=SEARCH_BATCH_MAX)]


class CountBody(RequestModel):
    """What to count; no filter: all chunks."""

    filter: FilterField | None = None


class ScanBody(RequestModel):
    """Which chunks to list, by id."""

    filter: FilterField | None = None
    include: IncludeField = Field(default_factory=lambda: DEFAULT_INCLUDE)
    vector_encoding: VectorEncoding = "numbers"


class DeleteMatchingBody(RequestModel):
    """Which chunks to delete. `dry_run` only counts them."""

    filter: FilterField
    dry_run: bool = False


class RecallBody(RequestModel):
    """How to measure recall: with `queries`, or with `sample` chunks of the library as queries."""

    queries: Annotated[list[Vector], Field(min_length=1, max_length=RECALL_QUERIES_MAX)] | None = None
    sample: Annotated[int, Field(ge=1, le=RECALL_QUERIES_MAX)] = 100
    k: Neighbours = 10
    recall: Recall | None = None
    filter: FilterField | None = None

    def to_domain(self) -> RecallRequest:
        """As the domain has it."""
        return RecallRequest(
            tuple(self.queries or ()), self.sample, self.k, self.recall, parsed_filter(self.filter, "/filter")
        )


class HitAnswer(TypedDict):
    """A chunk that was found. `score`: bigger is better; `distance`: smaller is better."""

    id: str
    document_id: str
    score: float
    distance: float
    position: int
    text: NotRequired[str]
    metadata: NotRequired[ChunkMetadataAnswer]
    embedding: NotRequired[VectorAnswer]
    document: NotRequired[DocumentAnswer]


class SegmentPlanAnswer(TypedDict):
    """How one part of the library was searched."""

    segment: str
    strategy: str
    rows: int
    matching: int
    effort: int


class PlanAnswer(TypedDict):
    """How a search was answered."""

    matching: int
    total: int
    filter_ms: float
    parts: list[SegmentPlanAnswer]


class SearchResultAnswer(TypedDict):
    """Hits by distance, then chunk id."""

    hits: list[HitAnswer]
    position: int
    took_ms: float
    plan: NotRequired[PlanAnswer]


class SearchBatchAnswer(TypedDict):
    """One result for each search, in order."""

    results: list[SearchResultAnswer]


class CountAnswer(TypedDict):
    """How many chunks match."""

    count: int
    position: int


class DeleteMatchingAnswer(TypedDict):
    """How many chunks matched and how many were deleted."""

    matched: int
    deleted: int
    position: int


class RecallAnswer(TypedDict):
    """Mean and worst recall@k over the queries, and the median time of both ways."""

    recall: float
    lowest: float
    k: int
    queries: int
    approximate_ms: float
    exact_ms: float
    position: int


def parsed_filter(data: dict[str, Any] | None, pointer: str) -> Filter | None:
    """The filter tree, or None where there is no filter."""
    return None if data is None else parse_filter(data, pointer)


def recall_answer(report: RecallReport) -> RecallAnswer:
    """A recall measurement as the answer shows it."""
    return {
        "recall": report.recall,
        "lowest": report.lowest,
        "k": report.k,
        "queries": report.queries,
        "approximate_ms": milliseconds(report.approximate_seconds),
        "exact_ms": milliseconds(report.exact_seconds),
        "position": report.position,
    }


def milliseconds(seconds: float) -> float:
    """Seconds as milliseconds with microsecond precision."""
    return round(seconds * 1e3, 3)
