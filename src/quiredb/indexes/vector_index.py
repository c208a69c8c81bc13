"""`VectorIndex`: rows that are searched by the cheapest way that keeps the recall asked for.

A facade over one structure (flat, graph or ivf), the flat index that every structure shares, what both were measured
to give, and the planner. The server's segments and the library's users search through it alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from quiredb.indexes.contract import (
    METRIC_CODES,
    Arrays,
    Distances,
    IndexArraysError,
    IndexStructure,
    Mask,
    MetricName,
    Rows,
    Vectors,
)
from quiredb.indexes.curve import Measured
from quiredb.indexes.flat import FlatIndex, build_flat, open_flat
from quiredb.indexes.graph import GraphIndex
from quiredb.indexes.measuring import measure_again
from quiredb.indexes.planner import Plan, choose_plan
from quiredb.indexes.shapes import as_allowed, as_finite, as_rows, check_search
from quiredb.indexes.vector_index_build import Wish, build_structure, check_wish, checking, open_structure
from quiredb.indexes.vector_index_folder import read_folder, write_folder
from quiredb.indexes.walking import carry_out, carry_out_each

_VECTORS = "vectors"
_FLOAT32 = np.dtype(np.float32)


class Found(NamedTuple):
    """Rows (int64) and their float64 distances, ordered by (distance, row), and how they were found."""

    rows: Rows
    distances: Distances
    plan: Plan


@dataclass(frozen=True, slots=True, eq=False)
class VectorIndex:
    """An immutable index over float32 rows, safe to search from many threads. Made by `build`, `load` or `open`.

    Distances are smaller-is-nearer: cosine `1 - cos`, l2 the *squared* Euclidean distance, dot `-<q, x>`. They come
    from the rows themselves in float64 and are rounded once; equal distances are ordered by row.
    """

    flat: FlatIndex
    structure: IndexStructure
    measured: Measured
    reason: str
    """Why it is of this kind, in a sentence."""

    @classmethod
    def build(
        cls,
        vectors: ArrayLike,
        metric: MetricName = "cosine",
        kind: str = "auto",
        *,
        threads: int = 1,
        seed: int = 0,
        progress: Callable[[float], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
        like: VectorIndex | None = None,
        **parameters: Any,
    ) -> VectorIndex:
        """Index `vectors` (float32[n, d]; kept by reference when they are that already, so do not change them).

        kind: `graph`, `ivf`, `flat`, or `auto`, which chooses by the data; `parameters` are those of the kind. The same
        seed gives the same structure, whatever `threads` is. `progress` hears a share from 0 to 1; when `cancelled`
        answers true, BuildCancelled is raised. `like` is an index over mostly the same rows: an ivf starts from its
        lists instead of clustering anew. Raises ValueError for input that cannot be indexed.
        """
        if metric not in METRIC_CODES:
            raise ValueError(f"metric must be one of {', '.join(METRIC_CODES)}, not {metric!r}")
        if threads < 1:
            raise ValueError(f"threads must be at least 1, not {threads}")
        wish = Wish(kind, seed, threads, progress, cancelled, like.structure if like else None, parameters)
        check_wish(wish)
        flat = build_flat(as_rows(vectors), metric)
        built = build_structure(flat, wish)
        return cls(flat, built.structure, built.measured, built.reason)

    @property
    def kind(self) -> str:
        """`flat`, `graph` or `ivf`."""
        return self.structure.kind

    @property
    def count(self) -> int:
        """How many rows."""
        return self.flat.count

    @property
    def dimension(self) -> int:
        """How many numbers a row."""
        return self.flat.dimension

    @property
    def metric(self) -> MetricName:
        """`cosine`, `l2` or `dot`."""
        return self.flat.metric

    @property
    def efforts(self) -> tuple[int, ...]:
        """Values of `effort` worth sweeping, cheap to costly; `(0,)` where there is nothing to choose."""
        return self.structure.efforts

    @property
    def nbytes(self) -> dict[str, int]:
        """`hot`: bytes that must be in memory; `cold`: bytes that may stay in a mapped file."""
        return self.structure.nbytes

    def search(
        self,
        query: ArrayLike,
        k: int,
        *,
        recall: float | None = None,
        effort: int | None = None,
        mask: Mask | None = None,
    ) -> tuple[Rows, NDArray[np.float32]]:
        """The `k` nearest rows of `query` (float32[d]): int64[k] and float32[k]; fewer only when fewer are allowed.

        recall: the share of the true k nearest to find on average (by default 0.98; 1 is exact). effort: search the
        structure at just this effort instead. mask: bool[n], true where a row may be found.
        """
        check_search(k, recall, effort)
        if mask is None and isinstance(self.structure, GraphIndex):
            wanted = self._plan(self.count, k, recall, None).effort if effort is None else effort
            given = query if type(query) is np.ndarray else np.asarray(query, np.float32)
            if wanted and given.ndim == 1:
                rows, distances = self.structure.search(given, k, effort=wanted)
                if len(rows) == k:
                    return rows, distances.astype(_FLOAT32)
        return self._checked_search(query, k, recall, effort, mask)

    def search_batch(
        self,
        queries: ArrayLike,
        k: int,
        *,
        recall: float | None = None,
        effort: int | None = None,
        mask: Mask | None = None,
    ) -> tuple[Rows, NDArray[np.float32]]:
        """`search` for each of `queries` (float32[b, d]): int64[b, k] padded with -1, float32[b, k] padded with inf."""
        checked = as_finite(queries, self.dimension, 2)
        mask, allowed = self._allowed(mask)
        check_search(k, recall, effort)
        found, near, _ = self.nearest_to_each(checked, k, allowed=allowed, mask=mask, recall=recall, effort=effort)
        rows = np.full((checked.shape[0], k), -1, np.int64)
        distances = np.full(rows.shape, np.inf, np.float32)
        rows[:, : found.shape[1]], distances[:, : near.shape[1]] = found, near
        return rows, distances

    def nearest(
        self, query: Vectors, k: int, *, allowed: int, mask: Mask | None = None, recall: float | None = None,
        effort: int | None = None, exact: bool = False,
    ) -> Found:  # fmt: skip
        """`search` for callers that checked everything: float64 distances, and the plan.

        query: float32[d]; mask: nonzero in exactly `allowed` rows, None when these are all. A walk that finds fewer
        rows than there are (masks can cut it short) is replaced by a scan.
        """
        plan = self._plan(allowed, k, recall, effort, exact)
        if plan.name == "skip":
            return Found(np.empty(0, np.int64), np.empty(0, np.float64), plan)
        wanted, used = min(k, allowed), mask if plan.masked else None
        return Found(*carry_out(plan, self.flat, self.structure, query, wanted, used, allowed))

    def nearest_to_each(
        self, queries: Vectors, k: int, *, allowed: int, mask: Mask | None = None, recall: float | None = None,
        effort: int | None = None, exact: bool = False,
    ) -> tuple[Rows, Distances, list[Plan]]:  # fmt: skip
        """`nearest` for each of `queries` (float32[b, d]): int64 and float64 [b, min(k, allowed)], and the b plans."""
        plan = self._plan(allowed, k, recall, effort, exact)
        wanted, used = min(k, allowed), mask if plan.masked else None
        if plan.name == "skip":
            return np.empty((len(queries), 0), np.int64), np.empty((len(queries), 0), np.float64), [plan] * len(queries)
        return carry_out_each(plan, self.flat, self.structure, queries, wanted, used, allowed)

    def with_queries(self, queries: ArrayLike, *, cancelled: Callable[[], bool] | None = None) -> VectorIndex:
        """The same index, whose recall was measured again with `queries` (float32[m, d]) that users really ask.

        It promises no more than before: of own and given queries the harder ones count. Of more than 300 a sample is
        taken. Takes about as long as the measuring at the end of a build; BuildCancelled is raised when `cancelled`
        answers true.
        """
        recorded = as_finite(queries, self.dimension, 2)
        if recorded.shape[0] == 0:
            raise ValueError("give at least one query to measure with")
        if self.kind == "flat":
            return self
        measured = measure_again(self.flat, self.structure, self.measured, recorded, checking(cancelled))
        return VectorIndex(self.flat, self.structure, measured, self.reason)

    def save(self, folder: str | Path) -> None:
        """Write everything, vectors included, into a folder: a new or empty one, or over a saved index."""
        write_folder(Path(folder), self.description(), {_VECTORS: self.flat.vectors, **self.arrays()})

    @classmethod
    def load(cls, folder: str | Path, *, verify: bool = False) -> VectorIndex:
        """The index saved in a folder, mapped, so that vectors may be larger than memory.

        All but the vectors is read once and held to its checksums; `verify` reads the vectors too. Raises ValueError
        (IndexArraysError) when the folder holds no index, a damaged one, or one of another version.
        """
        description, arrays = read_folder(Path(folder), verify=verify)
        if _VECTORS not in arrays:
            raise IndexArraysError(f"{folder} holds no vectors; build the index again")
        vectors = arrays.pop(_VECTORS)
        return cls.open(vectors, description, arrays)

    def arrays(self) -> Arrays:
        """The derived arrays to persist (never the vectors)."""
        return {**self.flat.arrays(), **self.structure.arrays()}

    def description(self) -> dict[str, Any]:
        """What `open` needs beside the arrays, as JSON values."""
        return {"metric": self.metric, "kind": self.kind, "reason": self.reason, "measured": self.measured.as_json()}

    @classmethod
    def open(cls, vectors: Vectors, description: Mapping[str, Any], arrays: Arrays) -> VectorIndex:
        """The index that `description()` and `arrays()` describe; nothing is copied. Raises IndexArraysError."""
        try:
            metric, kind, reason = description["metric"], description["kind"], description["reason"]
            measured = Measured.from_json(description["measured"])
        except (KeyError, TypeError, ValueError) as error:
            raise IndexArraysError(f"the index describes itself in an unknown way ({error!r}); rebuild it") from error
        flat = open_flat(vectors, metric, arrays)
        return cls(flat, open_structure(flat, kind, arrays), measured, reason)

    def _plan(self, allowed: int, k: int, recall: float | None, effort: int | None, exact: bool = False) -> Plan:
        if effort is None or allowed == 0 or self.kind == "flat":
            return choose_plan(self.kind, self.measured, self.count, allowed, k, recall, exact)
        return Plan(self.kind, allowed < self.count, effort)

    def _checked_search(
        self, query: ArrayLike, k: int, recall: float | None, effort: int | None, mask: Mask | None
    ) -> tuple[Rows, NDArray[np.float32]]:
        checked = as_finite(query, self.dimension, 1)
        mask, allowed = self._allowed(mask)
        found = self.nearest(checked, k, allowed=allowed, mask=mask, recall=recall, effort=effort)
        return found.rows, found.distances.astype(np.float32)

    def _allowed(self, mask: Mask | None) -> tuple[Mask | None, int]:
        """The checked mask and how many rows it allows."""
        if mask is None:
            return None, self.count
        mask = as_allowed(mask, self.count)
        return mask, int(np.count_nonzero(mask))
