"""Measures what an index's effort buys, with and without masks: the base of "recall is the knob"."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from quiredb.indexes.contract import IndexStructure, Mask, Vectors
from quiredb.indexes.curve import EffortCurve, EffortPoint, Measured
from quiredb.indexes.flat import FlatIndex
from quiredb.indexes.sample_queries import queries_like

NEIGHBOURS = (10, 100)
"""The k that efforts are measured for."""
MASKED_SHARES = (0.5, 0.1)
QUERIES = 300
SCANNED_SHARES = (0.02, 0.1, 0.5, 1.0)

_CONFIDENCE = 1.645
"""Standard errors between the mean and its lower 95 % bound."""
_DOUBT = 2 / 3
"""The recall of one imaginary query: what a sample without any miss leaves open."""
_SCANS_TIMED = 5
_WORTH = 2.0
"""Efforts that cost this many scans are not measured."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Queries and the rows they may find; float32[m, d] and a mask or None."""

    queries: Vectors
    mask: Mask | None


def measure(
    flat: FlatIndex, structure: IndexStructure, seed: int = 0, check: Callable[[], None] = lambda: None
) -> Measured:
    """Curves of `structure` by k and share of allowed rows, and the cost of scans. `check` may raise to stop it."""
    random = np.random.default_rng(seed)
    scan_seconds, masked_scans = _scans(flat, random)
    bare = Measured((), scan_seconds, masked_scans)
    if structure.kind == "flat" or flat.count < 2:
        return bare
    curves = []
    queries = _own_queries(flat.vectors, QUERIES, random)
    for share in (1.0, *MASKED_SHARES):
        mask = None if share == 1 else random.random(flat.count) < share
        for k in NEIGHBOURS:
            check()
            curves.append(effort_curve(structure, flat, Sample(queries, mask), share, k, _WORTH * bare.scan(share)))
    return Measured(tuple(curves), scan_seconds, masked_scans)


def effort_curve(
    structure: IndexStructure, flat: FlatIndex, sample: Sample, share: float, k: int, most_seconds: float = np.inf
) -> EffortCurve:
    """Recall and seconds by effort at one k. O(efforts searches).

    Efforts below k are left out, as a search would raise them to k. It ends early once an effort finds everything or
    takes longer than `most_seconds`.
    """
    limits = _limits(flat, sample, k)
    points: list[EffortPoint] = []
    for effort in [value for value in structure.efforts if value >= k]:
        shares, seconds = np.empty(len(limits)), []
        for number, (query, limit) in enumerate(zip(sample.queries, limits, strict=True)):
            started = time.perf_counter()
            _, distances = structure.search(query, k, effort=effort, mask=sample.mask)
            seconds.append(time.perf_counter() - started)
            shares[number] = np.count_nonzero(distances <= limit[-1]) / len(limit)
        points.append(EffortPoint(effort, lower_bound(shares), statistics.median(seconds)))
        if shares.min() >= 1 or points[-1].seconds > most_seconds:
            break
    return EffortCurve(share, k, tuple(points))


def lower_bound(shares: NDArray[np.float64]) -> float:
    """The recall that queries like those measured exceed on average with 95 % confidence."""
    doubted = np.append(shares, _DOUBT)
    return float(doubted.mean() - _CONFIDENCE * doubted.std() / np.sqrt(len(doubted)))


def _limits(flat: FlatIndex, sample: Sample, k: int) -> list[NDArray[np.float64]]:
    """The exact distances of each query's k nearest; a row no farther than the last counts as found, so ties do."""
    _, truth = flat.search_batch(sample.queries, k, mask=sample.mask)
    return [distances[np.isfinite(distances)] for distances in truth]


def _own_queries(vectors: Vectors, count: int, random: np.random.Generator) -> Vectors:
    chosen = vectors[random.integers(0, len(vectors), (3, count))]
    return queries_like(chosen[0], chosen[1], chosen[2], random)


def _scans(flat: FlatIndex, random: np.random.Generator) -> tuple[float, tuple[tuple[float, float], ...]]:
    """Median seconds of an exact search over all rows, and among shares of them."""
    queries = flat.vectors[random.integers(0, flat.count, _SCANS_TIMED)] if flat.count else flat.vectors

    def seconds(mask: Mask | None) -> Iterator[float]:
        for query in queries:
            started = time.perf_counter()
            flat.search(query, NEIGHBOURS[0], mask=mask)
            yield time.perf_counter() - started

    if not flat.count:
        return 0.0, ()
    masked = [(share, statistics.median(seconds(random.random(flat.count) < share))) for share in SCANNED_SHARES]
    return statistics.median(seconds(None)), tuple(masked)
