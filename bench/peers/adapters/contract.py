"""What every library looks like to the worker."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Metric = Literal["cosine", "l2", "dot"]
Effort = int | list[int]
Vectors = NDArray[np.float32]

EFFORTS = (10, 12, 16, 20, 26, 34, 44, 58, 76, 100, 130, 170, 220, 300, 400, 550)
"""Lengths of a candidate list to sweep, cheap to costly: steps of about 1.3, so that a curve has few gaps."""


@dataclass(frozen=True, slots=True)
class Work:
    """Means per query. `distances`: vectors scored, by estimate or exactly; `bytes_read`: of codes, vectors, links."""

    distances: float | None = None
    bytes_read: float | None = None
    detail: dict[str, float] = field(default_factory=dict)


class Adapter(Protocol):
    """One library, one thread. Rows and queries are float32; under "cosine" they come at unit length."""

    distribution: str

    def __init__(self, metric: Metric, dimension: int, **parameters: Any) -> None: ...

    def build(self, base: Vectors) -> None:
        """Index the rows; row numbers are the ids."""

    def efforts(self, k: int) -> Sequence[Effort]:
        """What to sweep, cheap to costly."""

    def choose(self, effort: Effort) -> None:
        """Search with this effort from here on."""

    def search(self, query: Vectors, k: int) -> Any:
        """Ids of the k nearest to one query."""

    def search_batch(self, queries: Vectors, k: int) -> Any:
        """Ids of the k nearest to each query: a row per query."""

    def memory_bytes(self) -> dict[str, int]:
        """What the library says it holds: at least "hot", what a search needs in memory; empty if it is silent."""

    def work(self, queries: Vectors, k: int) -> Work:
        """What one query costs at the chosen effort, as far as the library counts it."""


def efforts_from(k: int) -> list[Effort]:
    """The lengths of a candidate list that can hold k."""
    return sorted({max(k, effort) for effort in EFFORTS})
