"""A document: metadata and an ordered sequence of chunks."""

from dataclasses import dataclass
from datetime import datetime

from quiredb.domain.metadata import DocumentMetadata


@dataclass(frozen=True, slots=True)
class Document:
    """A document at one position; `version` is the position of the last commit that touched it or its chunks."""

    id: str
    metadata: DocumentMetadata
    chunk_count: int
    version: int
    created_at: datetime
    updated_at: datetime
