"""Building the graph: insert batches of nodes on a frozen graph, then link them back, then connect what is left over.

Within a batch every node walks the graph of the batches before it and writes its own row only, so the work can be cut
into slices and spread over threads without changing the result (the batch insertion of ParlayANN, PPoPP 2024).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from quiredb.indexes.kernels.exact import L2
from quiredb.indexes.kernels.frontier import row_of, score_of
from quiredb.indexes.kernels.graph_search import code_query, make_table, room_for
from quiredb.indexes.kernels.prune import as_signed, coded_distance, prune
from quiredb.indexes.kernels.quantize import normaliser
from quiredb.indexes.kernels.registry import (
    filled,
    float32,
    given,
    helper,
    int32,
    int64,
    kernel,
    uint8,
    uint64,
    void,
)
from quiredb.indexes.kernels.walk import Gates, walk
from quiredb.indexes.kernels.workspace import make_scratch

TIES = 4
"""Copies of one vector among a node's candidates; more would crowd out the different ones."""


@helper
def _as_coded(vectors: Any, row: int, metric: int, out: Any) -> None:
    """out = the row that was coded: x / |x| for cosine, else x."""
    norm = normaliser(vectors, row, metric)
    for i in range(vectors.shape[1]):
        out[i] = np.float32(np.float64(vectors[row, i]) / norm)


@kernel(
    void,
    given(int32),
    int64,
    given(float32, 2),
    int64,
    given(float32),
    given(float32, 2),
    given(uint8, 2),
    given(uint8, 2),
    given(float32, 2),
    given(int32),
    given(float32),
    given(int32, 2),
    given(int32),
    int64,
    int64,
    int64,
    float32,
    filled(uint64),
    filled(int64),
    filled(int32, 2),
)
def propose_neighbours(
    nodes: Any,
    inserted: int,
    vectors: Any,
    metric: int,
    centre: Any,
    rotation: Any,
    records: Any,
    codes: Any,
    factors: Any,
    sums: Any,
    asides: Any,
    neighbours: Any,
    entries: Any,
    width: int,
    budget: int,
    limit: int,
    alpha: Any,
    memory: Any,
    heap: Any,
    out: Any,
) -> None:
    """out[i] = neighbours chosen for nodes[i] (padded -1) by walking the graph that has `inserted` nodes.

    factors[n] = (|y|^2, -scale): squared Euclidean distances of the coded rows, whatever the metric of the index.
    """
    size = rotation.shape[1]
    z, signed, code = np.empty(size, np.float32), np.empty(size, np.int8), np.empty(size, np.int8)
    query = np.empty(vectors.shape[1], np.float32)
    candidates, distances = np.empty(width, np.int32), np.empty(width, np.float32)
    best, no_mask = np.empty(width + 1, np.int64), np.empty(0, np.uint8)
    kept_codes = np.empty((limit, codes.shape[1]), np.int8)
    scales, squares = factors[:, 1], factors[:, 0]
    begun = entries[: min(entries.shape[0], inserted)]
    heads = np.empty((begun.shape[0], records.shape[1]), np.uint8)
    for i in range(begun.shape[0]):
        heads[i] = records[begun[i]]
    gates = Gates(begun, heads.ctypes.data)
    scratch = make_scratch(memory, heap, neighbours.shape[0], room_for(neighbours.shape[1], entries.shape[0]))
    table = make_table(records, codes, neighbours)
    for position in range(nodes.shape[0]):
        node = nodes[position]
        _as_coded(vectors, node, metric, query)
        aside = asides[node] if asides.shape[0] > 0 else np.float32(0.0)
        coded, squared = code_query(query, centre, L2, rotation, 0.0, aside, z, signed, code)
        found = walk(table, gates, coded, no_mask, width, width, TIES, budget, 0, 0, scratch, best)
        for i in range(found):
            candidates[i] = row_of(best[i])
            distances[i] = score_of(best[i]) + np.float32(squared)
        kept = prune(
            candidates, distances, found, limit, alpha, codes, scales, sums, squares, asides, vectors.shape[1],
            kept_codes, out[position],
        )  # fmt: skip
        out[position, kept:] = -1


@helper
def _sort_in(distances: Any, rows: Any, size: int, distance: Any, row: int) -> None:
    """Insert by distance; equal ones keep their order."""
    place = size
    while place > 0 and distances[place - 1] > distance:
        distances[place], rows[place] = distances[place - 1], rows[place - 1]
        place -= 1
    distances[place], rows[place] = distance, row


@kernel(
    void,
    given(int32),
    int64,
    given(uint8, 2),
    given(float32, 2),
    given(int32),
    given(float32),
    int64,
    float32,
    filled(int32, 2),
    filled(int32),
)
def link_back(
    nodes: Any,
    dimension: int,
    codes: Any,
    factors: Any,
    sums: Any,
    asides: Any,
    limit: int,
    alpha: Any,
    neighbours: Any,
    degrees: Any,
) -> None:
    """For each edge node -> other of `nodes`, add other -> node; a row that overflows is pruned to `limit`."""
    degree = neighbours.shape[1]
    signed = np.empty(codes.shape[1], np.int8)
    candidates, distances = np.empty(degree + 1, np.int32), np.empty(degree + 1, np.float32)
    kept_codes = np.empty((limit, codes.shape[1]), np.int8)
    scales, squares = factors[:, 1], factors[:, 0]
    for position in range(nodes.shape[0]):
        node = nodes[position]
        for edge in range(degrees[node]):
            other = neighbours[node, edge]
            filled_up = degrees[other]
            if filled_up < degree:
                neighbours[other, filled_up] = node
                degrees[other] = filled_up + 1
                continue
            as_signed(codes, other, signed)
            size = 0
            for i in range(degree + 1):
                row = neighbours[other, i] if i < degree else node
                distance = coded_distance(signed, other, row, codes, scales, sums, squares, asides, dimension)
                _sort_in(distances, candidates, size, distance, row)
                size += 1
            kept = prune(
                candidates, distances, size, limit, alpha, codes, scales, sums, squares, asides, dimension,
                kept_codes, neighbours[other],
            )  # fmt: skip
            neighbours[other, kept:] = -1
            degrees[other] = kept


@helper
def _spread(queue: Any, head: int, tail: int, neighbours: Any, degrees: Any, reached: Any) -> int:
    """Breadth-first search from queue[head:tail]; returns the new tail."""
    while head < tail:
        row = queue[head]
        head += 1
        for position in range(degrees[row]):
            neighbour = neighbours[row, position]
            if reached[neighbour] == 0:
                reached[neighbour] = 1
                queue[tail] = neighbour
                tail += 1
    return tail


@kernel(int64, given(int32), filled(int32, 2), filled(int32), given(int32, 2), filled(uint8), filled(int32))
def connect(entries: Any, neighbours: Any, degrees: Any, nearest: Any, reached: Any, queue: Any) -> int:
    """Make every node with a row in `nearest` reachable from the entries; returns how many edges that took.

    First call with an empty `nearest` to fill `reached`. Row i of `nearest` holds (node, candidates ... padded -1): the
    node gets an edge from its nearest reached candidate with a free slot; if all are full, it is spliced into the last
    edge of the nearest one (a -> b becomes a -> node -> b). Reached nodes stay reached, so one pass over all
    unreached nodes is enough.
    """
    tail = 0
    for position in range(entries.shape[0]):
        if reached[entries[position]] == 0:
            reached[entries[position]] = 1
            queue[tail] = entries[position]
            tail += 1
    tail = _spread(queue, 0, tail, neighbours, degrees, reached)
    added = 0
    degree = neighbours.shape[1]
    for position in range(nearest.shape[0]):
        node = nearest[position, 0]
        if reached[node] != 0:
            continue
        host = np.int32(-1)
        for i in range(1, nearest.shape[1]):
            candidate = nearest[position, i]
            if candidate < 0:
                break
            if reached[candidate] == 0:
                continue
            if host < 0:
                host = candidate
            if degrees[candidate] < degree:
                host = candidate
                break
        if host < 0:
            host = entries[0]
        if degrees[host] < degree:
            neighbours[host, degrees[host]] = node
            degrees[host] += 1
        else:
            _splice(host, node, neighbours, degrees)
        added += 1
        reached[node] = 1
        queue[0] = node
        _spread(queue, 0, 1, neighbours, degrees, reached)
    return added


@helper
def _splice(host: Any, node: Any, neighbours: Any, degrees: Any) -> None:
    """host -> last becomes host -> node -> last. Only rows of unreached nodes lose an edge."""
    last = neighbours[host, degrees[host] - 1]
    neighbours[host, degrees[host] - 1] = node
    for position in range(degrees[node]):
        if neighbours[node, position] == last:
            return
    if degrees[node] < neighbours.shape[1]:
        neighbours[node, degrees[node]] = last
        degrees[node] += 1
    else:
        neighbours[node, degrees[node] - 1] = last
