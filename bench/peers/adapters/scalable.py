"""Intel Scalable Vector Search: a Vamana graph over codes of locally adaptive quantization (LVQ) or LeanVec."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import svs

from bench.peers.adapters.contract import Effort, Metric, Vectors, Work, efforts_from


class Svs:
    """Rows as float16, as LVQ codes (4 bits for the walk, 8 for ranking again), or as LeanVec codes of half the width.

    LVQ and LeanVec run on Intel's processors only; elsewhere the library refuses.
    """

    distribution = "scalable-vs"

    def __init__(self, metric: Metric, dimension: int, *, degree: int, window: int, codes: str) -> None:
        self._distance = svs.DistanceType.L2 if metric == "l2" else svs.DistanceType.MIP
        self._parameters = svs.VamanaBuildParameters(
            alpha=1.2 if metric == "l2" else 0.95, graph_max_degree=degree, window_size=window
        )
        self._dimension, self._codes = dimension, codes
        self._index: Any = None

    def build(self, base: Vectors) -> None:
        with tempfile.TemporaryDirectory() as folder:
            rows = base.astype(np.float16) if self._codes == "float16" else self._compressed(base, Path(folder))
            self._index = svs.Vamana.build(self._parameters, rows, self._distance, num_threads=1)
        self._index.num_threads = 1

    def efforts(self, k: int) -> Sequence[Effort]:
        return efforts_from(k)

    def choose(self, effort: Effort) -> None:
        self._index.search_window_size = effort

    def search(self, query: Vectors, k: int) -> Any:
        return self._index.search(query, k)[0][0]

    def search_batch(self, queries: Vectors, k: int) -> Any:
        return self._index.search(queries, k)[0]

    def memory_bytes(self) -> dict[str, int]:
        return {}

    def work(self, queries: Vectors, k: int) -> Work:
        return Work()

    def _compressed(self, base: Vectors, folder: Path) -> Any:
        path = str(folder / "base.fvecs")
        svs.write_vecs(base, path)
        rows = svs.VectorDataLoader(path, svs.DataType.float32, dims=self._dimension)
        if self._codes == "lvq":
            return svs.LVQLoader(rows, primary=4, residual=8, padding=32)
        kinds = svs.LeanVecKind
        return svs.LeanVecLoader(rows, self._dimension // 2, primary_kind=kinds.lvq4, secondary_kind=kinds.lvq8)
