"""Vectors made from a seed, so that everybody measures on the same ones and nothing is downloaded.

Embeddings lie near a curved surface of few dimensions, in clusters of unequal size. A row is made alike: a cluster is
drawn (by Zipf's law), a place near its centre in a latent space whose spread decays from axis to axis, then a fixed
random two-layer map bends that space into the full dimension, and a little noise is added.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.peers.adapters.contract import Metric, Vectors

_BLOCK = 2_000
_BEND = 0.7


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a set is made.

    `spread` is the size of a cluster against the distance of centres (which is about 1); `zipf` the exponent of
    cluster sizes; `foreign` queries come from centres of their own, through a map of their own that agrees with the
    rows' map only in part, as questions do against passages; `norms` is the sigma of log-normal lengths.
    """

    name: str
    dimension: int
    metric: Metric
    about: str
    latent: int = 64
    clusters: int = 500
    spread: float = 1.2
    zipf: float = 0.6
    noise: float = 0.4
    foreign: bool = False
    norms: float = 0.0
    seed: int = 20


RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe("passages", 384, "cosine", "in-distribution queries"),
        Recipe("questions", 768, "cosine", "out-of-distribution queries", spread=0.8, noise=0.3, foreign=True, seed=21),
        Recipe("items", 384, "dot", "inner product, log-normal lengths", spread=0.8, norms=0.25, seed=22),
        Recipe("crowds", 768, "l2", "heavy tight clusters", clusters=200, spread=0.15, zipf=1.2, norms=0.1, seed=23),
    )
}


def make(recipe: Recipe, rows: int, queries: int) -> tuple[Vectors, Vectors]:
    """float32[rows, d] and float32[queries, d]. Fewer rows are the beginning of more rows, with the same queries."""
    base = _Source(recipe, foreign=False)
    asker = _Source(recipe, foreign=recipe.foreign)
    blocks = [base.block(number) for number in range(-(-rows // _BLOCK))]
    asked = [asker.block(1_000_000 + number) for number in range(-(-queries // _BLOCK))]
    return np.concatenate(blocks)[:rows], np.concatenate(asked)[:queries]


class _Source:
    """Draws rows in numbered blocks, each from a seed of its own."""

    def __init__(self, recipe: Recipe, *, foreign: bool) -> None:
        self._recipe = recipe
        latent, dimension = recipe.latent, recipe.dimension
        self._centres, self._first, self._second = _map(recipe, recipe.seed)
        self._scales = (1 + np.arange(latent, dtype=np.float32)) ** -0.5
        self._shift = np.zeros(dimension, np.float32)
        if foreign:
            self._centres, first, second = _map(recipe, recipe.seed + 1_000)
            self._first, self._second = 0.9 * self._first + 0.4 * first, 0.9 * self._second + 0.4 * second
            self._shift = np.random.default_rng(recipe.seed).standard_normal(dimension).astype(np.float32)
            self._shift *= np.float32(0.5 / np.linalg.norm(self._shift))
        weights = (1 + np.arange(recipe.clusters)) ** -recipe.zipf
        self._shares = weights / weights.sum()

    def block(self, number: int) -> Vectors:
        recipe = self._recipe
        random = np.random.default_rng((recipe.seed, number))
        cluster = random.choice(recipe.clusters, _BLOCK, p=self._shares)
        inner = recipe.spread * _normal(random, _BLOCK, recipe.latent)
        places = (self._centres[cluster] + inner) * self._scales
        bent = np.tanh(_BEND * places @ self._first) @ self._second
        bent /= np.sqrt(np.square(bent).sum(axis=1).mean())
        rows = bent + self._shift + recipe.noise / np.sqrt(recipe.dimension) * _normal(random, *bent.shape)
        if recipe.metric == "cosine":
            rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        if recipe.norms:
            rows *= np.exp(recipe.norms * _normal(random, _BLOCK, 1))
        return np.ascontiguousarray(rows, np.float32)


def _map(recipe: Recipe, seed: int) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    random = np.random.default_rng(seed)
    width = 4 * recipe.latent
    centres = _normal(random, recipe.clusters, recipe.latent)
    return centres, _normal(random, recipe.latent, width), _normal(random, width, recipe.dimension)


def _normal(random: np.random.Generator, *shape: int) -> NDArray[np.float32]:
    return random.standard_normal(shape, dtype=np.float32)
