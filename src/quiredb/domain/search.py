"""What a search asks and what it answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from quiredb.domain.chunk import Embedding
from quiredb.domain.document import Document
from quiredb.domain.filters import Filter


class Include(StrEnum):
    """What a hit carries beside its ids, score and distance."""

    TEXT = "text"
    METADATA = "metadata"
    EMBEDDING = "embedding"
    DOCUMENT = "document"


DEFAULT_INCLUDE = frozenset({Include.TEXT, Include.METADATA})


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """The k chunks nearest to a vector or text among those that match the filter.

    Exactly one of `vector` and `text` is given. `recall` (0 < recall <= 1) is the share of true neighbours to find;
    `exact` finds all. Neither: the library's default.
    """

    vector: Embedding | None = None
    text: str | None = None
    k: int = 10
    filter: Filter | None = None
    recall: float | None = None
    exact: bool = False
    include: frozenset[Include] = DEFAULT_INCLUDE
    explain: bool = False


class FoundChunk(NamedTuple):
    """What a hit shows of its chunk, as members of a JSON object: a search only hands them on.

    `names`: `id`, `document_id`. `contents`: `position`, and `text` and `metadata` where they were asked for.
    """

    names: bytes
    contents: bytes


@dataclass(frozen=True, slots=True)
class Hits:
    """Chunks that were found, by (distance, chunk id), as columns. The last two are empty unless asked for."""

    chunks: Sequence[FoundChunk]
    scores: Sequence[float]
    distances: Sequence[float]
    embeddings: Sequence[Embedding | None] = ()
    documents: Sequence[Document | None] = ()


@dataclass(frozen=True, slots=True)
class SegmentPlan:
    """How one part of the library was searched. `strategy`: skip, scan, graph, ivf, masked-scan, masked-signs..."""

    segment: str
    strategy: str
    rows: int
    matching: int
    effort: int


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """How a search was answered: rows that matched the filter (all rows without one) and each part's strategy."""

    matching: int
    total: int
    filter_seconds: float
    parts: tuple[SegmentPlan, ...]


@dataclass(frozen=True, slots=True)
class SearchAnswer:
    """What was found, at one position."""

    hits: Hits
    position: int
    took_seconds: float
    plan: SearchPlan | None = None


@dataclass(frozen=True, slots=True)
class RecallRequest:
    """Measure recall now: with the given queries, or with `sample` rows of the library as queries."""

    queries: tuple[Embedding, ...] = ()
    sample: int = 100
    k: int = 10
    recall: float | None = None
    filter: Filter | None = None


@dataclass(frozen=True, slots=True)
class RecallReport:
    """Mean and worst recall@k over the queries, and median seconds of both ways."""

    queries: int
    k: int
    recall: float
    lowest: float
    approximate_seconds: float
    exact_seconds: float
    position: int
