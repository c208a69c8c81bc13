"""What a provider answered, checked and turned into embeddings."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from quiredb.domain.chunk import Embedding
from quiredb.domain.errors import EmbeddingFailed


def checked_embeddings(vectors: Sequence[Any] | None, count: int, dimension: int, source: str) -> list[Embedding]:
    """`vectors` as `count` embeddings: little-endian float32 of `dimension` components, all finite.

    `source` names provider and model in errors. A provider that answers anything else is broken or misconfigured, and
    its vectors must not reach an index.

    Raises:
        EmbeddingFailed: another count, dimension, or components that are no finite float32 numbers.
    """
    if vectors is None or len(vectors) != count:
        answered = 0 if vectors is None else len(vectors)
        raise EmbeddingFailed(f"{source} answered {answered} vectors for {count} texts; nothing was written.")
    return [_checked_embedding(vector, dimension, source) for vector in vectors]


def _checked_embedding(vector: Any, dimension: int, source: str) -> Embedding:
    try:
        with np.errstate(over="ignore"):
            components = np.asarray(vector, dtype="<f4")
    except (TypeError, ValueError):
        raise EmbeddingFailed(f"{source} answered something that is not a vector of numbers.") from None
    if components.shape != (dimension,):
        raise EmbeddingFailed(
            f"{source} answered a vector of shape {components.shape} where the library has dimension {dimension}. "
            "Correct the model's dimension in the server's embedder configuration."
        )
    if not np.isfinite(components).all():
        raise EmbeddingFailed(f"{source} answered a vector with a component that is not a finite number.")
    return components.tobytes()
