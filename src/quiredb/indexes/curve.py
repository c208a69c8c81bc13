"""Measures what an index's effort buys on given queries: the base of "recall is the knob"."""

from __future__ import annotations

import statistics
import time

import numpy as np

from quiredb.indexes.contract import VectorIndex, Vectors
from quiredb.indexes.flat import FlatIndex


def effort_curve(index: VectorIndex, flat: FlatIndex, queries: Vectors, k: int = 10) -> list[tuple[int, float, float]]:
    """For each of the index's efforts (effort, recall@k against `flat`, median seconds of one search).

    A found row counts when it is no farther than the exact k-th, so ties are not held against the index. Efforts below
    k are left out, as a search would raise them to k. The curve stops early once an effort finds everything.
    """
    _, truth = flat.search_batch(queries, k)
    wanted = int(np.isfinite(truth).sum())
    if wanted == 0:
        return []
    limits = np.where(np.isfinite(truth), truth, -np.inf).max(axis=1)
    curve = []
    for effort in [value for value in index.efforts if value >= k or value == index.efforts[-1]]:
        found, seconds = 0, []
        for query, limit in zip(queries, limits, strict=True):
            started = time.perf_counter()
            _, distances = index.search(query, k, effort=effort)
            seconds.append(time.perf_counter() - started)
            found += int((distances <= limit).sum())
        curve.append((effort, found / wanted, statistics.median(seconds)))
        if found == wanted:
            break
    return curve
