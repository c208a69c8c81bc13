"""Checks of embeddings that need numbers: dimension, finiteness, direction."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from quiredb.domain.chunk import EMBEDDING_COMPONENT_BYTES, Embedding
from quiredb.domain.errors import ValidationFailed
from quiredb.domain.metric import Metric


def check_embedding(embedding: Embedding, dimension: int, metric: Metric, pointer: str) -> Embedding:
    """The embedding itself, or `ValidationFailed` at `pointer`."""
    components = len(embedding) // EMBEDDING_COMPONENT_BYTES
    if components != dimension or len(embedding) % EMBEDDING_COMPONENT_BYTES:
        raise ValidationFailed.at(
            pointer,
            "dimension-mismatch",
            f"The library holds vectors of {dimension} numbers; this one has {components}.",
        )
    vector = as_vector(embedding)
    if np.count_nonzero(np.isfinite(vector)) < components:
        raise ValidationFailed.at(pointer, "not-finite", "Every component of a vector is a finite float32 number.")
    if metric is Metric.COSINE and not np.count_nonzero(vector):
        raise ValidationFailed.at(
            pointer, "zero-vector", "A zero vector has no direction, so cosine cannot compare it."
        )
    return embedding


def are_sound(embeddings: Sequence[Embedding], dimension: int, metric: Metric) -> bool:
    """Whether `check_embedding` lets all of them pass: a few steps for all instead of some for each."""
    size = dimension * EMBEDDING_COMPONENT_BYTES
    if any(len(embedding) != size for embedding in embeddings):
        return False
    vectors = as_vector(b"".join(embeddings)).reshape(len(embeddings), dimension)
    return bool(np.isfinite(vectors).all() and (metric is not Metric.COSINE or vectors.any(axis=1).all()))


def as_vector(embedding: Embedding) -> NDArray[np.float32]:
    """The components as float32[d]."""
    return np.frombuffer(embedding, "<f4")
