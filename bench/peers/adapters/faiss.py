"""faiss: HNSW over 8-bit codes, and lists of 4-bit product codes scanned by FastScan with exact reranking."""

import math
from collections.abc import Sequence
from itertools import product
from typing import Any

import faiss

from bench.peers.adapters.contract import Effort, Metric, Vectors, Work, efforts_from

_LISTS_PER_ROOT = 2
_PROBES = (1, 2, 3, 5, 8, 12, 18, 27, 40, 60, 90, 140)
_RERANKS = (4, 10, 30)


def _metric(metric: Metric) -> int:
    return int(faiss.METRIC_L2 if metric == "l2" else faiss.METRIC_INNER_PRODUCT)


class _Faiss:
    distribution = "faiss-cpu"
    _index: Any
    _parameters: Any = None

    def build(self, base: Vectors) -> None:
        self._index.train(base)
        self._index.add(base)

    def search(self, query: Vectors, k: int) -> Any:
        return self._index.search(query[None], k, params=self._parameters)[1][0]

    def search_batch(self, queries: Vectors, k: int) -> Any:
        return self._index.search(queries, k, params=self._parameters)[1]

    def memory_bytes(self) -> dict[str, int]:
        return {"hot": int(faiss.serialize_index(self._index).nbytes)}


class HnswSq8(_Faiss):
    """One byte a component."""

    def __init__(self, metric: Metric, dimension: int, *, links: int, build_effort: int) -> None:
        faiss.omp_set_num_threads(1)
        self._index = faiss.index_factory(dimension, f"HNSW{links},SQ8", _metric(metric))
        self._index.hnsw.efConstruction = build_effort
        self._code_bytes, self._link_bytes = dimension, 2 * links * 4

    def efforts(self, k: int) -> Sequence[Effort]:
        return efforts_from(k)

    def choose(self, effort: Effort) -> None:
        self._parameters = faiss.SearchParametersHNSW(efSearch=effort)

    def work(self, queries: Vectors, k: int) -> Work:
        counters = faiss.cvar.hnsw_stats
        counters.reset()
        self.search_batch(queries, k)
        distances, visited = counters.ndis / len(queries), counters.nhops / len(queries)
        return Work(distances, distances * self._code_bytes + visited * self._link_bytes, {"visited": visited})


class IvfPqFastScan(_Faiss):
    """An effort is [lists probed, candidates reranked for each hit]; codes have two dimensions to a 4-bit symbol."""

    def __init__(self, metric: Metric, dimension: int) -> None:
        faiss.omp_set_num_threads(1)
        self._metric, self._dimension = _metric(metric), dimension
        self._lists = self._rerank = 0

    def build(self, base: Vectors) -> None:
        self._lists = round(_LISTS_PER_ROOT * math.sqrt(len(base)))
        factory = f"IVF{self._lists},PQ{self._dimension // 2}x4fs,RFlat"
        self._index = faiss.index_factory(self._dimension, factory, self._metric)
        faiss.extract_index_ivf(self._index).cp.max_points_per_centroid = 128
        super().build(base)

    def efforts(self, k: int) -> Sequence[Effort]:
        return [list(pair) for pair in product(_PROBES, _RERANKS)]

    def choose(self, effort: Effort) -> None:
        assert isinstance(effort, list)
        faiss.extract_index_ivf(self._index).nprobe, self._rerank = effort
        self._index.k_factor = self._rerank

    def work(self, queries: Vectors, k: int) -> Work:
        counters = faiss.cvar.indexIVF_stats
        counters.reset()
        self.search_batch(queries, k)
        scanned, reranked = counters.ndis / len(queries), float(self._rerank * k)
        read = scanned * self._dimension / 4 + (reranked + self._lists) * self._dimension * 4
        return Work(scanned + reranked + self._lists, read, {"scanned": scanned, "reranked": reranked})
