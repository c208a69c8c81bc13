"""Vectors the index tests search: clustered like embeddings, or as awkward as an adversary can make them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

METRICS = ("cosine", "l2", "dot")


def clustered(
    count: int, dimension: int, seed: int = 0, clusters: int = 40, spread: float = 0.35
) -> NDArray[np.float32]:
    """A Gaussian mixture off the origin, of 24 latent dimensions plus noise, with rows of different lengths.

    The mixture itself is the same for every seed, so rows of another seed make good queries.
    """
    mixture, random = np.random.default_rng(99), np.random.default_rng(seed)
    latent = min(24, dimension)
    centres = mixture.standard_normal((clusters, latent))
    projection = mixture.standard_normal((latent, dimension)) / np.sqrt(latent)
    inner = centres[random.integers(0, clusters, count)] + spread * random.standard_normal((count, latent))
    rows = inner @ projection + 0.1 * random.standard_normal((count, dimension)) + 0.3
    return (rows * random.uniform(0.5, 2.0, (count, 1))).astype(np.float32)


def adversarial(dimension: int, seed: int = 0) -> dict[str, NDArray[np.float32]]:
    """Named sets of 400 rows that strain a quantiser."""
    random = np.random.default_rng(seed)
    plain = random.standard_normal((400, dimension)).astype(np.float32)
    spike = plain.copy()
    spike[::2, 0] = 1e6
    zeros = plain.copy()
    zeros[100:300] = 0
    scales = plain * (10.0 ** random.uniform(-15, 12, (400, 1))).astype(np.float32)
    return {
        "one huge coordinate": spike,
        "zeros": zeros,
        "duplicates": np.repeat(plain[:4], 100, axis=0),
        "subnormal": (plain * np.float32(1e-39)).astype(np.float32),
        "mixed scales": scales.astype(np.float32),
        "enormous": (plain * np.float32(1e30)).astype(np.float32),
        "constant": np.full((400, dimension), 0.1, np.float32),
    }
