"""Building the graph from near rows: choose neighbours, link them back, connect what is left over.

Each kernel writes the rows of the nodes it is given and reads nothing that another node's turn writes, so the work can
be cut into slices and spread over threads without changing the result.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from quiredb.indexes.kernels.prune import Table, as_signed, fetch_codes, make_room, measure_rows, prune
from quiredb.indexes.kernels.registry import filled, float32, given, helper, int32, int64, kernel, uint8, void

CROWD = 128
"""Rows that a row with many links to it chooses among: the nearest."""


@kernel(
    void, given(int32), given(int32, 2), given(float32, 2), given(uint8, 2), given(float32, 2), given(int32),
    given(float32), int64, float32, filled(int32, 2),
)  # fmt: skip
def choose_neighbours(
    nodes: Any, near: Any, near_distances: Any, codes: Any, factors: Any, sums: Any, asides: Any, dimension: int,
    alpha: Any, chosen: Any,
) -> None:  # fmt: skip
    """chosen[node] = the neighbours of each of `nodes` among its near rows, padded -1."""
    limit, capacity = chosen.shape[1], near.shape[1]
    table, room = Table(codes, factors, sums, asides, dimension), make_room(capacity, codes.shape[1])
    for position in range(nodes.shape[0]):
        node, size = nodes[position], 0
        while size < capacity and near[node, size] >= 0:
            fetch_codes(codes, near[node, size])
            size += 1
        kept = prune(table, room, near[node], near_distances[node], size, limit, alpha, chosen[node])
        chosen[node, kept:] = -1


@kernel(void, given(int32, 2), filled(int64), filled(int32))
def reverse_edges(chosen: Any, ends: Any, sources: Any) -> None:
    """sources[ends[n - 1] : ends[n]] = the nodes that chose n, ascending; ends holds n + 1 zeros, the last stays 0.

    A counting sort: `ends[-1]` is where the first run begins. sources has room for every edge.
    """
    count = chosen.shape[0]
    for node in range(count):
        for other in chosen[node]:
            if other >= 0:
                ends[other] += 1
    total = 0
    for node in range(count):
        size = ends[node]
        ends[node] = total
        total += size
    for node in range(count):
        for other in chosen[node]:
            if other >= 0:
                sources[ends[other]] = node
                ends[other] += 1


@helper
def _sort_in(distances: Any, rows: Any, size: int, distance: Any, row: int) -> int:
    """Insert by distance, equal ones in their order; the last falls out if there is no room. Returns the new size."""
    if size == rows.shape[0]:
        if not distance < distances[size - 1]:
            return size
        size -= 1
    place = size
    while place > 0 and distances[place - 1] > distance:
        distances[place], rows[place] = distances[place - 1], rows[place - 1]
        place -= 1
    distances[place], rows[place] = distance, row
    return size + 1


@kernel(
    void, given(int32), given(int32, 2), given(int64), given(int32), given(uint8, 2), given(float32, 2), given(int32),
    given(float32), int64, float32, filled(int32, 2), filled(int32),
)  # fmt: skip
def link_back(
    nodes: Any, chosen: Any, ends: Any, sources: Any, codes: Any, factors: Any, sums: Any, asides: Any, dimension: int,
    alpha: Any, neighbours: Any, degrees: Any,
) -> None:  # fmt: skip
    """neighbours[node] = what each of `nodes` chose and what chose it, pruned if there is no room for all."""
    degree, limit = neighbours.shape[1], chosen.shape[1]
    table, room = Table(codes, factors, sums, asides, dimension), make_room(CROWD, codes.shape[1])
    candidates, distances = np.empty(CROWD, np.int32), np.empty(CROWD, np.float32)
    for position in range(nodes.shape[0]):
        node: Any = np.int64(nodes[position])
        incoming = sources[ends[node - 1] : ends[node]]
        linked = np.empty(limit + incoming.shape[0], np.int32)
        total = 0
        for other in chosen[node]:
            if other >= 0:
                linked[total] = other
                total += 1
        own = total
        for source in incoming:
            known = False
            for i in range(own):
                known |= linked[i] == source
            linked[total] = source
            total += int(not known)
        if total <= degree:
            neighbours[node, :total] = linked[:total]
            degrees[node] = total
            continue
        for i in range(total):
            fetch_codes(codes, linked[i])
        as_signed(codes, node, room.signed)
        size = 0
        for first in range(0, total, CROWD):
            some = min(CROWD, total - first)
            room.rows[:some] = linked[first : first + some]
            measure_rows(table, room, node, some)
            for i in range(some):
                size = _sort_in(distances, candidates, size, room.between[i], room.rows[i])
        degrees[node] = prune(table, room, candidates, distances, size, degree, alpha, neighbours[node])
        neighbours[node, degrees[node] :] = -1


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
