"""hnswlib: the reference implementation of HNSW, and the anchor of every comparison here."""

from collections.abc import Sequence
from typing import Any

import hnswlib

from bench.peers.adapters.contract import Effort, Metric, Vectors, Work, efforts_from


class Hnswlib:
    """Float32 rows; its Python binding does not show the distances that it counts."""

    distribution = "hnswlib"

    def __init__(self, metric: Metric, dimension: int, *, links: int, build_effort: int) -> None:
        self._index = hnswlib.Index("l2" if metric == "l2" else "ip", dimension)
        self._links, self._build_effort = links, build_effort

    def build(self, base: Vectors) -> None:
        self._index.init_index(len(base), M=self._links, ef_construction=self._build_effort, random_seed=1)
        self._index.set_num_threads(1)
        self._index.add_items(base, num_threads=1)

    def efforts(self, k: int) -> Sequence[Effort]:
        return efforts_from(k)

    def choose(self, effort: Effort) -> None:
        self._index.set_ef(effort)

    def search(self, query: Vectors, k: int) -> Any:
        return self._index.knn_query(query, k, num_threads=1)[0][0]

    def search_batch(self, queries: Vectors, k: int) -> Any:
        return self._index.knn_query(queries, k, num_threads=1)[0]

    def memory_bytes(self) -> dict[str, int]:
        return {"hot": int(self._index.index_file_size())}

    def work(self, queries: Vectors, k: int) -> Work:
        return Work()
