"""Quire's own index: `quiredb.VectorIndex`, compiled before the clock starts."""

from collections.abc import Sequence
from typing import Any

import numpy as np

import quiredb
from bench.peers.adapters.contract import Effort, Metric, Vectors, Work
from quiredb.indexes import GraphIndex

_COUNTERS = ("expansions", "estimates", "scored", "reranked")
_WARM_UP_ROWS = 2_000


class Quire:
    """A kind of index: "graph", "ivf", "flat" or "auto"."""

    distribution = "quiredb"
    _index: quiredb.VectorIndex

    def __init__(self, metric: Metric, dimension: int, **parameters: Any) -> None:
        self._options: dict[str, Any] = {"metric": metric, "threads": 1, "seed": 0, **parameters}
        self._effort = 0
        random = np.random.default_rng(0)
        rows = random.standard_normal((_WARM_UP_ROWS, dimension)).astype(np.float32)
        if parameters.get("kind") == "auto":  # which may choose a graph for more rows
            quiredb.VectorIndex.build(rows, **self._options | {"kind": "graph"})
        self.build(rows)
        self.choose(self._index.efforts[0])
        queries = random.standard_normal((4, dimension)).astype(np.float32)
        self.search(queries[0], 10)
        self.search_batch(queries, 10)
        self.work(queries, 10)

    def build(self, base: Vectors) -> None:
        self._index = quiredb.VectorIndex.build(base, **self._options)

    def efforts(self, k: int) -> Sequence[Effort]:
        return [int(effort) for effort in self._index.efforts]

    def choose(self, effort: Effort) -> None:
        assert isinstance(effort, int)
        self._effort = effort

    def search(self, query: Vectors, k: int) -> Any:
        return self._index.search(query, k, effort=self._effort)[0]

    def search_batch(self, queries: Vectors, k: int) -> Any:
        return self._index.search_batch(queries, k, effort=self._effort)[0]

    def memory_bytes(self) -> dict[str, int]:
        return {name: int(size) for name, size in self._index.nbytes.items()}

    def work(self, queries: Vectors, k: int) -> Work:
        structure = self._index.structure
        if not isinstance(structure, GraphIndex):
            return Work()
        counted = structure.trace(queries, k, self._effort)
        detail = {name: float(getattr(counted, name)) for name in _COUNTERS}
        distances = detail["estimates"] + detail["scored"] + detail["reranked"]
        return Work(distances, float(counted.bytes_read), detail)
