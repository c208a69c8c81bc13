"""What filters cost and find: every share of allowed rows, however it goes with the query, at every k."""

import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from quiredb.indexes import VectorIndex, exact_distances
from quiredb.indexes.vector_index import Found

SHARES = (0.5, 0.1, 0.01, 0.001, 0.0001)
KINDS = ("random", "near", "elsewhere", "far")
NEIGHBOURS = (1, 10, 100)
_TURNS = 3

Mask = NDArray[np.bool_]
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Cell:
    """Means over the queries: recall; the fewest hits, as a share of min(k, matches); seconds of CPU, and how many
    searches without a filter these would do for, asked for the same recall; plans, and how often they were taken.
    """

    share: float
    kind: str
    k: int
    recall: float
    hits: float
    seconds: float
    multiple: float
    plans: dict[str, int]


def masks_of(index: VectorIndex, query: Floats, share: float, random: np.random.Generator) -> dict[str, Mask]:
    """A mask of each kind that allows a share of the rows.

    random: anywhere. near: half of the nearest so many (at most of the nearer half). elsewhere: the nearest of some
    other row. far: anywhere in the farther half, so that the nearest allowed rows are a crowd at one distance.
    """
    count = index.count
    allowed, half = max(1, round(share * count)), count // 2
    order = _by_distance(index, query)
    pools = {
        "random": np.arange(count),
        "near": order[: max(allowed, min(2 * allowed, half))],
        "elsewhere": _by_distance(index, index.flat.vectors[random.integers(count)])[:allowed],
        "far": order[half:],
    }
    masks = {}
    for kind, pool in pools.items():
        masks[kind] = np.zeros(count, np.bool_)
        masks[kind][random.choice(pool, min(allowed, len(pool)), replace=False)] = True
    return masks


def grid(
    index: VectorIndex,
    queries: Floats,
    *,
    shares: Sequence[float] = SHARES,
    neighbours: Sequence[int] = NEIGHBOURS,
    recall: float | None = None,
) -> Iterator[Cell]:
    """Every cell of the grid, measured with these queries (float32[m, d])."""
    random = np.random.default_rng(1)
    plain = {k: _plain_seconds(index, queries, k, recall) for k in neighbours}
    for share in shares:
        masks = [masks_of(index, query, share, random) for query in queries]
        for kind in KINDS:
            for k in neighbours:
                yield _cell(index, queries, [one[kind] for one in masks], share, kind, k, recall, plain[k])


def _plain_seconds(index: VectorIndex, queries: Floats, k: int, recall: float | None) -> float:
    return _seconds(
        [lambda query=query: index.nearest(query, k, allowed=index.count, recall=recall) for query in queries]
    )


def _cell(
    index: VectorIndex, queries: Floats, masks: Sequence[Mask], share: float, kind: str, k: int, recall: float | None,
    plain: float,
) -> Cell:  # fmt: skip
    shares, hits, plans, searches = [], [], Counter[str](), []
    for query, mask in zip(queries, masks, strict=True):
        allowed = int(np.count_nonzero(mask))
        wanted = min(k, allowed)
        last = index.flat.search(query, wanted, mask=mask)[1][-1]

        def search(query: Floats = query, mask: Mask = mask, allowed: int = allowed) -> Found:
            return index.nearest(query, k, allowed=allowed, mask=mask, recall=recall)

        found = search()
        shares.append(np.count_nonzero(found.distances <= last) / wanted)
        hits.append(int(np.count_nonzero(mask[found.rows])) / wanted)
        plans[str(found.plan)] += 1
        searches.append(search)
    seconds = _seconds(searches)
    return Cell(share, kind, k, float(np.mean(shares)), min(hits), seconds, seconds / plain, dict(plans.most_common()))


def _seconds(searches: Sequence[Callable[[], object]]) -> float:
    """The median over searches of the least CPU time of some turns."""
    turns = [[_timed(search) for search in searches] for _ in range(_TURNS)]
    return statistics.median(map(min, zip(*turns, strict=True)))


def _timed(search: Callable[[], object]) -> float:
    started = time.thread_time()
    search()
    return time.thread_time() - started


def _by_distance(index: VectorIndex, query: Floats) -> NDArray[np.int64]:
    everything = np.arange(index.count)
    return np.argsort(exact_distances(query, index.flat.vectors, everything, index.metric), kind="stable")
