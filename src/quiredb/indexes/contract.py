"""What every index promises, and the errors this package raises. Pure typing: no kernels are loaded from here."""

from __future__ import annotations

from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

MetricName: TypeAlias = Literal["cosine", "l2", "dot"]

Vectors: TypeAlias = NDArray[np.float32]
Rows: TypeAlias = NDArray[np.int64]
Distances: TypeAlias = NDArray[np.float64]
Mask: TypeAlias = NDArray[np.uint8] | NDArray[np.bool_]
Arrays: TypeAlias = dict[str, NDArray[Any]]

METRIC_CODES: dict[str, int] = {"cosine": 0, "l2": 1, "dot": 2}


class BuildCancelled(Exception):
    """The caller's `cancelled` callback answered true; nothing was published."""


class KernelSelfTestError(RuntimeError):
    """A compiled kernel gave a wrong answer and there is no plainer kernel to fall back to."""


class IndexArraysError(ValueError):
    """Persisted arrays do not fit the vectors they are opened with; rebuild the index from the vectors."""


class IndexStructure(Protocol):
    """A read-only way to search `count` float32 rows, safe for many threads at once; what a `VectorIndex` is made of.

    Distances are smaller-is-better float64: cosine `1 - cos`, l2 the *squared* Euclidean distance, dot `-<q, x>`.
    They are computed from the original float32 rows, whatever path found the row, and ordered by (distance, row).
    """

    @property
    def kind(self) -> str:
        """`flat`, `graph` or `ivf`."""

    @property
    def count(self) -> int:
        """How many rows."""

    @property
    def dimension(self) -> int:
        """How many numbers a row."""

    @property
    def metric(self) -> MetricName:
        """`cosine`, `l2` or `dot`."""

    @property
    def efforts(self) -> tuple[int, ...]:
        """Values of `effort` worth sweeping, cheap to costly; `(0,)` where there is nothing to choose."""

    @property
    def nbytes(self) -> dict[str, int]:
        """`hot`: bytes every search touches at random; `cold`: bytes that may stay on disk."""

    def search(
        self, query: Vectors, k: int, *, effort: int | None = None, mask: Mask | None = None, allowed: int | None = None
    ) -> tuple[Rows, Distances]:
        """The nearest rows of `query` (float32[d]) and their distances; at most `min(k, allowed rows)` of each.

        allowed: how many rows the mask allows, for callers that know.
        """

    def search_batch(
        self, queries: Vectors, k: int, *, effort: int | None = None, mask: Mask | None = None,
        allowed: int | None = None,
    ) -> tuple[Rows, Distances]:  # fmt: skip
        """`search` for float32[b, d]: int64[b, k] padded with -1 and float64[b, k] padded with +inf."""

    def arrays(self) -> Arrays:
        """The derived arrays to persist (never the vectors), C-contiguous."""
