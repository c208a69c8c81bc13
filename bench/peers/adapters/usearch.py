"""usearch: HNSW with kernels for many number types."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from usearch.index import Index

from bench.peers.adapters.contract import Effort, Metric, Vectors, Work, efforts_from

_BYTES = {"f32": 4, "bf16": 2, "f16": 2}


class Usearch:
    """Rows stored as `dtype`."""

    distribution = "usearch"

    def __init__(self, metric: Metric, dimension: int, *, links: int, build_effort: int, dtype: str) -> None:
        self._index = Index(
            ndim=dimension,
            metric="l2sq" if metric == "l2" else "ip",
            dtype=dtype,
            connectivity=links,
            expansion_add=build_effort,
        )
        self._row_bytes = dimension * _BYTES[dtype]

    def build(self, base: Vectors) -> None:
        self._index.add(np.arange(len(base)), base, threads=1)

    def efforts(self, k: int) -> Sequence[Effort]:
        return efforts_from(k)

    def choose(self, effort: Effort) -> None:
        self._index.expansion_search = effort

    def search(self, query: Vectors, k: int) -> Any:
        return self._index.search(query, k, threads=1).keys

    def search_batch(self, queries: Vectors, k: int) -> Any:
        return self._index.search(queries, k, threads=1).keys

    def memory_bytes(self) -> dict[str, int]:
        return {"hot": int(self._index.serialized_length)}

    def work(self, queries: Vectors, k: int) -> Work:
        found = self._index.search(queries, k, threads=1)
        distances, visited = found.computed_distances / len(queries), found.visited_members / len(queries)
        return Work(distances, distances * self._row_bytes, {"visited": visited})
