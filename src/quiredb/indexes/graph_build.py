"""Builds `graph` in slices that may be cancelled, spread over threads, and always gives the same graph.

    near rows    all rows are parted into leaves again and again; those of a leaf meet        (leaves.py)
    choose       of its near rows each row keeps a few that lie in all directions             (kernels/prune.py)
    link back    edges are turned round; a row with too many chooses again
    connect      what the entries cannot reach gets an edge

For dot the graph is built in L2 on rows with one more coordinate, twice their length: the nearest by inner product are
long rows, and a shorter row must not stand for a longer one, however near. Time about n x 5,000 products of rows and
two choices a row, space n (20 degree + 8 near) bytes beside the graph.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from quiredb.indexes.contract import METRIC_CODES, BuildCancelled
from quiredb.indexes.flat import ROWS_PER_SLICE, FlatIndex
from quiredb.indexes.graph import ROTATION_SEED, GraphIndex
from quiredb.indexes.kernels.entries import enter_crowds
from quiredb.indexes.kernels.graph_build import choose_neighbours, connect, link_back, reverse_edges
from quiredb.indexes.kernels.quantize import row_norms
from quiredb.indexes.kernels.registry import ensure_compiled
from quiredb.indexes.kernels.rotation import rotation_signs
from quiredb.indexes.kernels.sign_codes import encode_records, record_stride
from quiredb.indexes.leaves import CodedRows, NearRows, Partings
from quiredb.indexes.shapes import aligned_empty

DEGREE = 28
BUILD_EFFORT = 200
ALPHA = 1.2
"""How much nearer a kept neighbour must be to cover a candidate, in plain (not squared) distance."""

CHOSEN = 6 / 7
"""Share of the degree that a row chooses, so that most rows have room for who chose them."""
NEAR = 64 / 28
"""Near rows to choose from, for each neighbour."""
EFFORT_A_PARTING = 28
"""The build effort is this for each parting."""
FAR_PARTINGS = 1
"""Partings of the far rows, for each of all."""
ENTRIES_FEWER = 2
"""The entries are the square root of the rows divided by this: more cost more than the steps they save."""
LONG_ENTRIES = 0.25
"""For dot: the share of the entries that are the longest rows, the nearest of many queries, to which few edges lead."""
REACH = 24
"""The place among the near rows that says how far the edges of a row lead; the last, where there are fewer."""
APART = 2.5
"""A row lies by itself when every entry is this many times as far as its near rows, in squared distance, and farther
than rounding to codes explains."""
ASKED = 4096
"""Rows that are asked whether they lie by themselves; each may become an entry."""
ENTRIES_MORE = 3
"""There are at most this many times as many entries as are drawn at random."""
STRETCH = 2.0
"""For dot: the further coordinate of a row, in lengths of the row."""
LONGEST = 1e18
"""Longer rows count as this long in it: its square has to fit float32."""
SLICE = 250
"""Nodes between two looks at `cancelled`."""
PARTED = 0.6
"""Share of the time that finding near rows takes."""


@dataclass(frozen=True, slots=True)
class _Building:
    """What stays the same while one graph is built."""

    coded: CodedRows
    alpha: np.float32
    pool: ThreadPoolExecutor
    check: Callable[[float], None]

    def in_slices(self, run: Callable[[NDArray[np.int32]], None], order: NDArray[np.int32], part: float) -> None:
        """Run over slices of nodes on all threads, the `part`-th half of the time after the partings."""
        starts = range(0, order.shape[0], SLICE)
        for start, _ in zip(starts, self.pool.map(lambda at: run(order[at : at + SLICE]), starts), strict=True):
            self.check(PARTED + (1 - PARTED) / 2 * (part + start / order.shape[0]))


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

    `build_effort` is how thoroughly near rows are looked for: one parting of all rows for each 28.
    `progress` hears a share from 0 to 1; `cancelled` is asked every few milliseconds and a true answer raises
    BuildCancelled. Both are called from the calling thread. Other threads run on: the kernels hold no GIL.
    """
    if not 2 <= degree <= 256:
        raise ValueError(f"degree must lie in 2..256, not {degree}")
    ensure_compiled()
    count, random = flat.count, np.random.default_rng(seed)

    def check(share: float) -> None:
        if cancelled and cancelled():
            raise BuildCancelled(f"the build was cancelled at {int(share * count)} of {count} rows")
        if progress:
            progress(share)

    check(0.0)
    drawn, usual = random.permutation(count).astype(np.int32), int(np.ceil(np.sqrt(count) / ENTRIES_FEWER))
    coded = _coded(flat)
    if flat.metric == "dot":
        drawn = _longest_first(drawn, coded.asides, int(LONG_ENTRIES * usual))
    rotation = rotation_signs(flat.dimension, ROTATION_SEED)
    partings = max(1, round(build_effort / EFFORT_A_PARTING))
    with ThreadPoolExecutor(max(1, threads), "graph-build") as pool:
        building = _Building(coded, np.float32(ALPHA * ALPHA), pool, check)
        near = Partings(coded, random, pool, lambda share: check(PARTED * share)).near_rows(
            max(1, round(NEAR * degree)), partings, FAR_PARTINGS * partings
        )
        entries = _entries(building, near, flat.errors, drawn[:usual], drawn[usual : usual + ASKED])
        neighbours, degrees = _link(building, near, degree)
    graph = GraphIndex(flat, _records(flat, rotation, check), neighbours, entries, rotation)
    _connect(graph, degrees)
    check(1.0)
    return graph


def _coded(flat: FlatIndex) -> CodedRows:
    """factors[n] = (|y|^2, -scale): squared Euclidean distances of the coded rows, whatever the metric of the index."""
    scales = -flat.factors[:, 1] if flat.metric == "l2" else -2 * flat.factors[:, 1]
    with np.errstate(over="ignore"):
        squares = flat.radii * flat.radii
    factors = np.ascontiguousarray(np.stack([squares, -scales], axis=1), np.float32)
    sums = np.empty(flat.count, np.int32)
    norms = np.empty(flat.count if flat.metric == "dot" else 0, np.float64)
    for start in range(0, flat.count, ROWS_PER_SLICE):
        part = slice(start, start + ROWS_PER_SLICE)
        sums[part] = flat.codes[part, : flat.dimension].sum(axis=1, dtype=np.int32)
        if norms.size:
            row_norms(flat.vectors[part], norms[part])
    asides = (STRETCH * np.minimum(norms, LONGEST)).astype(np.float32)
    return CodedRows(flat.codes, factors, sums, asides, flat.dimension)


def _longest_first(rows: NDArray[np.int32], lengths: NDArray[np.float32], count: int) -> NDArray[np.int32]:
    """The same rows, but the `count` longest come first."""
    longest = np.argsort(-lengths, kind="stable")[:count].astype(np.int32)
    return np.concatenate([longest, rows[~np.isin(rows, longest)]])


def _records(flat: FlatIndex, rotation: NDArray[np.float32], check: Callable[[float], None]) -> NDArray[np.uint8]:
    records = aligned_empty((flat.count, record_stride(flat.dimension)), np.uint8)
    for start in range(0, flat.count, ROWS_PER_SLICE):
        part = slice(start, start + ROWS_PER_SLICE)
        encode_records(
            flat.vectors[part], METRIC_CODES[flat.metric], flat.centre, rotation, flat.factors[part], records[part]
        )
        check(1.0)
    return records


def _entries(
    building: _Building, near: NearRows, errors: NDArray[np.float32], usual: NDArray[np.int32], asked: NDArray[np.int32]
) -> NDArray[np.int32]:
    """The usual entries, and one for each crowd among the rows asked that none of them is in."""
    if asked.shape[0] == 0:
        return usual
    coded, rounded = building.coded, 2 * errors[asked]
    reaches = near.distances[asked, :REACH]
    reaches = reaches.max(axis=1, initial=0.0, where=reaches < np.inf)
    with np.errstate(over="ignore"):
        reaches = (APART * reaches + rounded * rounded).astype(np.float32)
    entries = np.concatenate([usual, np.empty((ENTRIES_MORE - 1) * usual.shape[0], np.int32)])
    size = enter_crowds(
        asked, reaches, entries, usual.shape[0], coded.codes, coded.factors, coded.sums, coded.asides, coded.dimension
    )
    return entries[:size].copy()


def _link(building: _Building, near: NearRows, degree: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """The neighbours of each row and how many they are: what it chose, and what chose it."""
    count, coded, alpha = near.rows.shape[0], building.coded, building.alpha
    chosen = np.full((count, max(1, round(CHOSEN * degree))), -1, np.int32)

    def choose(nodes: NDArray[np.int32]) -> None:
        choose_neighbours(
            nodes, near.rows, near.distances, coded.codes, coded.factors, coded.sums, coded.asides, coded.dimension,
            alpha, chosen,
        )  # fmt: skip

    building.in_slices(choose, near.order, 0)
    ends = np.zeros(count + 1, np.int64)
    sources = np.empty(int(np.count_nonzero(chosen >= 0)), np.int32)
    reverse_edges(chosen, ends, sources)
    neighbours = aligned_empty((count, degree), np.int32)
    neighbours.fill(-1)
    degrees = np.zeros(count, np.int32)

    def link(nodes: NDArray[np.int32]) -> None:
        link_back(
            nodes, chosen, ends, sources, coded.codes, coded.factors, coded.sums, coded.asides, coded.dimension,
            alpha, neighbours, degrees,
        )  # fmt: skip

    building.in_slices(link, near.order, 1)
    return neighbours, degrees


def _connect(graph: GraphIndex, degrees: NDArray[np.int32]) -> None:
    """Give every node that the entries cannot reach an edge from a near node that they can."""
    entries, neighbours = graph.entries, graph.neighbours
    reached, queue = np.zeros(graph.count, np.uint8), np.empty(graph.count, np.int32)
    connect(entries, neighbours, degrees, np.empty((0, 1), np.int32), reached, queue)
    lost = np.flatnonzero(reached == 0).astype(np.int32)
    if lost.size:
        found, _ = graph.search_batch(graph.flat.vectors[lost], DEGREE)
        nearest = np.concatenate([lost[:, None], found.astype(np.int32)], axis=1)
        connect(entries, neighbours, degrees, np.ascontiguousarray(nearest), reached, queue)
