"""SymphonyQG of the RaBitQ library: a graph whose nodes hold 1-bit codes of their neighbours."""

from collections.abc import Sequence
from typing import Any

import rabitqlib

from bench.peers.adapters.contract import Effort, Metric, Vectors, Work, efforts_from


class SymphonyQG:
    """Counts nothing and reports no size."""

    distribution = "rabitqlib"

    def __init__(self, metric: Metric, dimension: int, *, degree: int, build_effort: int) -> None:
        self._index = rabitqlib.SymqgIndex(dimension, degree, "l2" if metric == "l2" else "ip")
        self._build_effort = build_effort
        self._effort = 0

    def build(self, base: Vectors) -> None:
        self._index.build(base, self._build_effort, 1)

    def efforts(self, k: int) -> Sequence[Effort]:
        return efforts_from(k)

    def choose(self, effort: Effort) -> None:
        assert isinstance(effort, int)
        self._effort = effort

    def search(self, query: Vectors, k: int) -> Any:
        return self._index.search(query[None], k, self._effort, num_threads=1)[0][0]

    def search_batch(self, queries: Vectors, k: int) -> Any:
        return self._index.search_batch(queries, k, self._effort, num_threads=1)[0]

    def memory_bytes(self) -> dict[str, int]:
        return {}

    def work(self, queries: Vectors, k: int) -> Work:
        return Work()
