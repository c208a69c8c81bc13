"""The fast rotation against a slow twin in float64, and what makes it a rotation."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from quiredb.indexes.kernels.registry import ensure_compiled
from quiredb.indexes.kernels.rotation import rotate_rows, rotated_dimension, rotation_signs

DIMENSIONS = (1, 63, 64, 65, 128, 192, 300, 384, 512, 768, 960, 1536)


def rotated(vectors: NDArray[np.float32], seed: int = 0) -> NDArray[np.float32]:
    ensure_compiled()
    out = np.full((vectors.shape[0], rotated_dimension(vectors.shape[1])), np.nan, np.float32)
    rotate_rows(vectors, rotation_signs(vectors.shape[1], seed), out)
    return out


def slow_twin(vector: NDArray[np.float32], seed: int = 0) -> NDArray[np.float64]:
    size = -(-vector.shape[0] // 64) * 64
    signs = np.sign(rotation_signs(vector.shape[0], seed)).astype(np.float64)
    hadamard = np.ones((1, 1))
    while 2 * hadamard.shape[0] <= size:
        hadamard = np.block([[hadamard, hadamard], [hadamard, -hadamard]])
    span = hadamard.shape[0]
    hadamard /= np.sqrt(span)
    x = np.zeros(size)
    x[: vector.shape[0]] = vector
    for turn in range(4):
        x = x * signs[turn]
        start = ((size - span) // 2, 0, size - span, (size - span) // 2)[turn]
        x[start : start + span] = hadamard @ x[start : start + span]
    return x


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_agrees_with_the_definition(dimension: int) -> None:
    vectors = np.random.default_rng(dimension).standard_normal((3, dimension)).astype(np.float32)
    expected = np.stack([slow_twin(vector, seed=7) for vector in vectors])
    assert np.allclose(rotated(vectors, seed=7), expected, atol=1e-5)


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_keeps_every_length_and_angle(dimension: int) -> None:
    size = rotated_dimension(dimension)
    matrix = rotated(np.eye(dimension, dtype=np.float32)).astype(np.float64)
    assert matrix.shape == (dimension, size)
    assert np.allclose(matrix @ matrix.T, np.eye(dimension), atol=1e-6)


@pytest.mark.parametrize("dimension", [64, 384, 768, 960, 1984])
def test_spreads_a_single_coordinate_over_all(dimension: int) -> None:
    matrix = rotated(np.eye(dimension, dtype=np.float32))
    assert np.abs(matrix).max() < 7 / np.sqrt(dimension)
    assert 2.4 < (matrix**4).mean() * dimension**2 < 3.2


def test_the_seed_decides() -> None:
    vectors = np.random.default_rng(0).standard_normal((4, 100)).astype(np.float32)
    assert np.array_equal(rotated(vectors, seed=5), rotated(vectors, seed=5))
    assert not np.allclose(rotated(vectors, seed=5), rotated(vectors, seed=6), atol=0.1)


def test_signs_are_balanced_and_differ_between_rounds() -> None:
    signs = np.sign(rotation_signs(1024, 0))
    assert np.abs(signs.mean(axis=1)).max() < 0.15
    assert np.abs(signs @ signs.T / 1024 - np.eye(4)).max() < 0.15
