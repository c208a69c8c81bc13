"""Shapes of what callers hand in; plain dicts with these keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .filters import Filter

AttributeValue: TypeAlias = "str | int | float | bool | datetime | Sequence[str]"
Vector: TypeAlias = "Sequence[float] | NDArray[Any] | Mapping[str, str]"
FilterLike: TypeAlias = "Filter | Mapping[str, Any]"
Include: TypeAlias = 'Sequence[Literal["text", "metadata", "embedding", "document"]]'
Metric: TypeAlias = Literal["cosine", "l2", "dot"]


class LibraryMetadata(TypedDict, total=False):
    """What a library is about."""

    title: str
    description: str
    tags: Sequence[str]
    attributes: Mapping[str, AttributeValue]


class DocumentMetadata(TypedDict, total=False):
    """What a document is and where it comes from."""

    title: str
    source: str
    author: str
    language: str
    published_at: str | datetime
    tags: Sequence[str]
    attributes: Mapping[str, AttributeValue]


class ChunkMetadata(TypedDict, total=False):
    """What a chunk is and where in its document it stands."""

    name: str
    section: str
    page: int
    language: str
    tags: Sequence[str]
    attributes: Mapping[str, AttributeValue]


class IndexSettings(TypedDict, total=False):
    """Which index a library has."""

    kind: Literal["auto", "flat", "ivf", "graph"]
    parameters: Mapping[str, Any]


class ChunkInput(TypedDict, total=False):
    """A chunk to write; without `embedding` the library's embedder makes it from `text`."""

    id: str
    document_id: str
    position: int
    text: str
    embedding: Vector
    metadata: ChunkMetadata


class DocumentInput(TypedDict, total=False):
    """A document to write, with all its chunks in order."""

    id: str
    metadata: DocumentMetadata
    chunks: Sequence[ChunkInput]


class SearchInput(TypedDict, total=False):
    """One search of a batch; the same keys as the arguments of `search`."""

    vector: Vector
    text: str
    k: int
    filter: FilterLike
    recall: float
    exact: bool
    include: Include
    explain: bool
