"""A library: chunks of one dimension and metric, one index specification, one position."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from quiredb.domain.metadata import LibraryMetadata
from quiredb.domain.metric import Metric


class IndexKind(StrEnum):
    """Which algorithm serves searches. `auto` lets Quire choose by size; see docs/indexes.md."""

    AUTO = "auto"
    FLAT = "flat"
    IVF = "ivf"
    GRAPH = "graph"


@dataclass(frozen=True, slots=True)
class IndexSpec:
    """The index that a library asks for. Parameters of `graph`: degree (8..64), build_effort (16..512);
    of `ivf`: lists (1..65536).
    """

    kind: IndexKind = IndexKind.AUTO
    parameters: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EmbedderSpec:
    """The model that embeds a library's texts, remembered with the library.

    Input types are the provider's words for the two roles of a text (Cohere: search_document and search_query).
    """

    provider: str
    model: str
    dimension: int
    document_input_type: str | None = None
    query_input_type: str | None = None


@dataclass(frozen=True, slots=True)
class Library:
    """A library as it is at `position`; `version` is the position of its last configuration."""

    id: str
    dimension: int
    metric: Metric
    index: IndexSpec
    embedder: EmbedderSpec | None
    metadata: LibraryMetadata
    document_count: int
    chunk_count: int
    position: int
    version: int
    created_at: datetime
    updated_at: datetime
