"""What is measured on: vectors, queries, their exact neighbours, texts."""

import gzip
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SYNTHETIC_ROWS = 20_000
SYNTHETIC_DIMENSION = 384
SYNTHETIC_QUERIES = 500
NEIGHBOURS = 10


@dataclass(frozen=True, slots=True)
class Dataset:
    """base: float32[n, d]; queries: float32[q, d]; truth: int64[q, 10], the exact nearest rows by cosine; texts."""

    name: str
    base: NDArray[np.float32]
    queries: NDArray[np.float32]
    truth: NDArray[np.int64]
    texts: list[str]
    sources: list[str]


def load(folder: Path) -> Dataset:
    """A folder with vectors.npz (base, query), gt.npz (ids) and texts.jsonl.gz (id, source, text)."""
    vectors, truth = np.load(folder / "vectors.npz"), np.load(folder / "gt.npz")
    with gzip.open(folder / "texts.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return Dataset(
        folder.name,
        _unit(vectors["base"].astype(np.float32)),
        _unit(vectors["query"].astype(np.float32)),
        truth["ids"][:, :NEIGHBOURS].astype(np.int64),
        [row["text"] for row in rows],
        [row.get("source", "") for row in rows],
    )


def synthetic(rows: int = SYNTHETIC_ROWS) -> Dataset:
    """Clustered directions of low intrinsic dimension, made here from a seed: about as hard as sentence embeddings."""
    random = np.random.default_rng(7)
    basis = random.standard_normal((48, SYNTHETIC_DIMENSION)).astype(np.float32)
    centres = random.standard_normal((200, 48)).astype(np.float32)
    count = rows + SYNTHETIC_QUERIES
    inner = centres[random.integers(0, 200, count)] + 0.7 * random.standard_normal((count, 48)).astype(np.float32)
    points = _unit(inner @ basis + 0.5 * random.standard_normal((count, SYNTHETIC_DIMENSION)).astype(np.float32))
    base, queries = points[:rows], points[rows:]
    scores = queries.astype(np.float64) @ base.T.astype(np.float64)
    truth = np.argsort(-scores, axis=1, kind="stable")[:, :NEIGHBOURS]
    texts = [f"Synthetic passage number {row}." for row in range(rows)]
    return Dataset(f"synthetic-{rows}", base, queries, truth, texts, ["synthetic"] * rows)


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
