"""The port behind which every provider of embeddings stands."""

from collections.abc import Sequence
from typing import Protocol

from quiredb.domain.chunk import Embedding
from quiredb.domain.library import EmbedderSpec


class Embedder(Protocol):
    """Makes vectors of `spec.dimension` finite float32 components. Safe to call from many threads at once.

    Both methods raise `EmbeddingFailed` (with `retryable` where the same call may succeed later) and its subclass
    `EmbedderNotConfigured` (where the server's configuration must change first). Nothing is returned in part.
    """

    @property
    def spec(self) -> EmbedderSpec:
        """The model, dimension and input types that this embedder serves."""

    def embed_documents(self, texts: Sequence[str]) -> list[Embedding]:
        """One embedding for each text, in order, made for being found."""

    def embed_query(self, text: str) -> Embedding:
        """The embedding of one text, made for finding."""

    def close(self) -> None:
        """Give back connections and memory. Calling it twice is harmless."""
