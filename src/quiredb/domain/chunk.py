"""A chunk: a piece of text with its embedding, at a position in a document."""

from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from quiredb.domain.metadata import ChunkMetadata

Embedding: TypeAlias = bytes
"""Little-endian float32 components, 4 bytes each, exactly as given by the caller or the embedder."""

EMBEDDING_COMPONENT_BYTES = 4


@dataclass(frozen=True, slots=True)
class Chunk:
    """A chunk at one position. `embedding` is None where it was not asked for."""

    id: str
    document_id: str
    position: int
    text: str
    metadata: ChunkMetadata
    version: int
    created_at: datetime
    updated_at: datetime
    embedding: Embedding | None = None
