"""The exact nearest rows, by brute force."""

import numpy as np
from numpy.typing import NDArray

from bench.peers.adapters.contract import Metric, Vectors

_QUERIES = 64
_ROWS = 50_000
_SPARE = 64


def nearest(base: Vectors, queries: Vectors, metric: Metric, count: int) -> NDArray[np.int64]:
    """Rows of the `count` nearest to each query, best first, ties to the smaller row: int64[q, count].

    A float32 product chooses `count` and some to spare; float64 puts them in order. Under "cosine" both sides must be
    of unit length. Under "l2" everything is moved to the mean first, so that float32 does not lose small distances.
    """
    count = min(count, len(base))
    middle = base.mean(axis=0, dtype=np.float64).astype(np.float32) if metric == "l2" else np.float32(0)
    blocks = [queries[start : start + _QUERIES] for start in range(0, len(queries), _QUERIES)]
    return np.concatenate([_rank(base, block, metric, count, middle) for block in blocks])


def _rank(
    base: Vectors, queries: Vectors, metric: Metric, count: int, middle: NDArray[np.float32] | np.float32
) -> NDArray[np.int64]:
    rows = np.zeros((len(queries), 0), np.int64)
    costs = np.zeros((len(queries), 0), np.float32)
    for start in range(0, len(base), _ROWS):
        part = base[start : start + _ROWS] - middle
        cost = -(queries - middle) @ part.T
        if metric == "l2":
            cost += np.square(part).sum(axis=1) / 2
        rows = np.hstack([rows, np.broadcast_to(np.arange(start, start + len(part)), cost.shape)])
        costs = np.hstack([costs, cost])
        keep = np.argpartition(costs, min(count + _SPARE, costs.shape[1]) - 1, axis=1)[:, : count + _SPARE]
        rows, costs = np.take_along_axis(rows, keep, axis=1), np.take_along_axis(costs, keep, axis=1)
    return np.stack([_in_order(base, query, found, metric)[:count] for query, found in zip(queries, rows, strict=True)])


def _in_order(base: Vectors, query: Vectors, rows: NDArray[np.int64], metric: Metric) -> NDArray[np.int64]:
    found, wanted = base[rows].astype(np.float64), query.astype(np.float64)
    cost = np.square(found - wanted).sum(axis=1) if metric == "l2" else -(found @ wanted)
    return rows[np.lexsort((rows, cost))]
