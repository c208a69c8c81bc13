"""Exact search by one matrix product of NumPy: what every index must beat, and a check of the ground truth."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from bench.peers.adapters.contract import Effort, Metric, Vectors, Work


class Exact:
    """Reads everything; has one effort."""

    distribution = "numpy"

    def __init__(self, metric: Metric, dimension: int) -> None:
        self._metric = metric
        self._base: Any = None
        self._half_squares: Any = None

    def build(self, base: Vectors) -> None:
        self._base = np.array(base)
        self._half_squares = np.square(base).sum(axis=1) / 2 if self._metric == "l2" else np.float32(0)

    def efforts(self, k: int) -> Sequence[Effort]:
        return [1]

    def choose(self, effort: Effort) -> None:
        assert effort == 1

    def search(self, query: Vectors, k: int) -> Any:
        return np.argpartition(self._half_squares - self._base @ query, k - 1)[:k]

    def search_batch(self, queries: Vectors, k: int) -> Any:
        blocks = [queries[start : start + 64] for start in range(0, len(queries), 64)]
        costs = (self._half_squares - block @ self._base.T for block in blocks)
        return np.concatenate([np.argpartition(cost, k - 1, axis=1)[:, :k] for cost in costs])

    def memory_bytes(self) -> dict[str, int]:
        return {"hot": int(self._base.nbytes)}

    def work(self, queries: Vectors, k: int) -> Work:
        return Work(float(len(self._base)), float(self._base.nbytes))
