"""Builds `graph` in batches that may be cancelled, spread over threads, and always give the same graph.

Nodes are inserted in a seeded random order. A batch holds at most 2 % of what is there already: its nodes walk the
graph as it was before the batch, choose neighbours by the alpha-rule, and are then linked back in order (ParlayANN,
PPoPP 2024). For dot the graph is built in L2 on rows with one more coordinate, sqrt(M^2 - |x|^2), which leaves the
order of inner products unchanged (but for the few rows longer than M, which have 0). Time about n walks of
`build_effort`, space n (8 degree) bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from quiredb.indexes.contract import METRIC_CODES, BuildCancelled
from quiredb.indexes.flat import FlatIndex
from quiredb.indexes.graph import ROTATION_SEED, GraphIndex
from quiredb.indexes.kernels.graph_build import connect, link_back, propose_neighbours
from quiredb.indexes.kernels.quantize import row_norms
from quiredb.indexes.kernels.registry import ensure_compiled
from quiredb.indexes.kernels.rotation import rotation_signs
from quiredb.indexes.kernels.sign_codes import encode_records, record_stride, refer_records
from quiredb.indexes.shapes import aligned_empty
from quiredb.indexes.walk_limits import Scratch, ScratchShape, walk_limits

DEGREE = 28
BUILD_EFFORT = 200
ALPHA = 1.2
"""How much nearer a kept neighbour must be to cover a candidate, in plain (not squared) distance."""

KEPT = 6 / 7
"""Share of the degree that pruning leaves, so that a row does not overflow at every edge it gets."""
LARGEST_BATCH = 2000
ENTRIES_FEWER = 2
"""The entries are the square root of the rows divided by this: more cost more than the steps they save."""
LONGEST = 0.98
"""For dot: the quantile of the norms that counts as M. With the maximum, one long row would make all others alike."""
SLICE = 250
"""Nodes between two looks at `cancelled`."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """What stays the same while one graph is built."""

    flat: FlatIndex
    rotation: NDArray[np.float32]
    records: NDArray[np.uint8]
    factors: NDArray[np.float32]
    sums: NDArray[np.int32]
    asides: NDArray[np.float32]
    order: NDArray[np.int32]
    entries: NDArray[np.int32]
    pool: int
    limit: int
    alpha: np.float32


def build_graph(
    flat: FlatIndex,
    *,
    degree: int = DEGREE,
    build_effort: int = BUILD_EFFORT,
    seed: int = 0,
    threads: int = 1,
    progress: Callable[[float], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> GraphIndex:
    """A graph over the rows of `flat`: same seed, same graph, whatever `threads` is.

    `progress` hears a share from 0 to 1; `cancelled` is asked every few milliseconds and a true answer raises
    BuildCancelled. Both are called from the calling thread. Other threads run on: the kernels hold no GIL.
    """
    if not 2 <= degree <= 256:
        raise ValueError(f"degree must lie in 2..256, not {degree}")
    ensure_compiled()
    count = flat.count
    neighbours = aligned_empty((count, degree), np.int32)
    neighbours.fill(-1)
    degrees = np.zeros(count, np.int32)
    plan = _plan(flat, degree, build_effort, seed)
    scratches = Scratch(ScratchShape(count, degree, plan.entries.shape[0], flat.dimension, plan.rotation.shape[1]))

    def check(done: int) -> None:
        if cancelled and cancelled():
            raise BuildCancelled(f"the build was cancelled at {done} of {count} rows")
        if progress:
            progress(done / max(1, count))

    check(0)
    with ThreadPoolExecutor(max(1, threads), "graph-build") as pool:
        for start, stop in _batches(count):
            for done in _insert(plan, start, stop, neighbours, degrees, scratches, pool, threads):
                check(done)
    _connect(plan, neighbours, degrees, scratches)
    refer_records(METRIC_CODES[flat.metric], flat.factors, plan.rotation.shape[1], plan.records)
    check(count)
    return GraphIndex(flat, plan.records, neighbours, plan.entries, plan.rotation)


def _plan(flat: FlatIndex, degree: int, build_effort: int, seed: int) -> _Plan:
    scales = -flat.factors[:, 1] if flat.metric == "l2" else -2 * flat.factors[:, 1]
    with np.errstate(over="ignore"):
        squares = flat.radii * flat.radii
    factors = np.ascontiguousarray(np.stack([squares, -scales], axis=1), np.float32)
    sums = np.empty(flat.count, np.int32)
    norms = np.empty(flat.count if flat.metric == "dot" else 0, np.float64)
    for start in range(0, flat.count, 8192):
        part = slice(start, start + 8192)
        sums[part] = flat.codes[part, : flat.dimension].sum(axis=1, dtype=np.int32)
        if norms.size:
            row_norms(flat.vectors[part], norms[part])
    longest = np.quantile(norms, LONGEST) if norms.size else 0.0
    asides = np.sqrt(np.maximum(longest**2 - norms**2, 0.0)).astype(np.float32)
    rotation = rotation_signs(flat.dimension, ROTATION_SEED)
    records = aligned_empty((flat.count, record_stride(flat.dimension)), np.uint8)
    metric = METRIC_CODES[flat.metric]
    for start in range(0, flat.count, 8192):
        part = slice(start, start + 8192)
        encode_records(flat.vectors[part], metric, flat.centre, rotation, factors[part], asides[part], records[part])
    order = np.random.default_rng(seed).permutation(flat.count).astype(np.int32)
    entry_count = int(np.ceil(np.sqrt(flat.count) / ENTRIES_FEWER))
    entries = order[:entry_count].copy()
    limit = max(1, round(KEPT * degree))
    return _Plan(
        flat, rotation, records, factors, sums, asides, order, entries, build_effort, limit, np.float32(ALPHA * ALPHA)
    )


def _batches(count: int) -> Iterator[tuple[int, int]]:
    """[start, stop) of each batch: the first nodes one by one, then 2 % of what is inserted."""
    start = 0
    while start < count:
        stop = min(count, start + max(1, min(LARGEST_BATCH, start // 50)))
        yield start, stop
        start = stop


def _insert(
    plan: _Plan,
    start: int,
    stop: int,
    neighbours: NDArray[np.int32],
    degrees: NDArray[np.int32],
    scratches: Scratch,
    pool: ThreadPoolExecutor,
    threads: int,
) -> Iterator[int]:
    """Insert order[start:stop], yielding how many nodes are done after each slice."""
    nodes = plan.order[start:stop]
    if start == 0:
        yield stop
        return
    chosen = np.empty((nodes.shape[0], plan.limit), np.int32)

    def propose(first: int) -> None:
        _propose(plan, nodes[first : first + SLICE], start, neighbours, scratches, chosen[first : first + SLICE])

    firsts = range(0, nodes.shape[0], SLICE)
    if threads == 1 or len(firsts) == 1:
        for first in firsts:
            propose(first)
            yield start + first
    else:
        for first, _ in zip(firsts, pool.map(propose, firsts), strict=True):
            yield start + first
    neighbours[nodes, : plan.limit] = chosen
    degrees[nodes] = (chosen >= 0).sum(axis=1, dtype=np.int32)
    flat = plan.flat
    for first in firsts:
        link_back(
            nodes[first : first + SLICE], flat.dimension, flat.codes, plan.factors, plan.sums, plan.asides, plan.limit,
            plan.alpha, neighbours, degrees,
        )  # fmt: skip
        yield stop


def _propose(
    plan: _Plan,
    nodes: NDArray[np.int32],
    inserted: int,
    neighbours: NDArray[np.int32],
    scratches: Scratch,
    out: NDArray[np.int32],
) -> None:
    flat = plan.flat
    limits = walk_limits(plan.flat.count, plan.pool, plan.pool, None)
    block = scratches.take(limits)
    propose_neighbours(
        nodes, inserted, flat.vectors, METRIC_CODES[flat.metric], flat.centre, plan.rotation, plan.records, flat.codes,
        plan.factors, plan.sums, plan.asides, neighbours, plan.entries, plan.pool, limits.budget, plan.limit,
        plan.alpha, block.memory, block.heap, out,
    )  # fmt: skip
    block.free.append(block)


def _connect(plan: _Plan, neighbours: NDArray[np.int32], degrees: NDArray[np.int32], scratches: Scratch) -> None:
    """Give every node that the entries cannot reach an edge from a near node that they can."""
    count = plan.flat.count
    reached, queue = np.zeros(count, np.uint8), np.empty(count, np.int32)
    connect(plan.entries, neighbours, degrees, np.empty((0, 1), np.int32), reached, queue)
    lost = np.flatnonzero(reached == 0).astype(np.int32)
    if lost.size == 0:
        return
    nearest = np.empty((lost.shape[0], 1 + plan.limit), np.int32)
    nearest[:, 0] = lost
    found = np.empty((lost.shape[0], plan.limit), np.int32)
    _propose(plan, lost, count, neighbours, scratches, found)
    nearest[:, 1:] = found
    connect(plan.entries, neighbours, degrees, nearest, reached, queue)
