"""The graph's build in plain Python: part, meet, choose, link back. No copies among the rows."""

from __future__ import annotations

from math import ceil

import numpy as np
from numpy.typing import NDArray

Table = NDArray[np.float32]
Edges = dict[int, list[int]]


def all_distances(codes: NDArray[np.uint8], factors: Table, asides: Table, dimension: int) -> Table:
    """Squared distances of all pairs of coded rows, rounded as the kernels round."""
    centred = 2 * codes[:, :dimension].astype(np.int64) - 255
    products = (centred @ centred.T).astype(np.float32)
    squares, scales = factors[:, 0], factors[:, 1]
    table = (squares[None, :] + squares[:, None]) - (np.float32(0.5) * scales[:, None]) * scales[None, :] * products
    if asides.size:
        gaps = asides[None, :] - asides[:, None]
        table = table + gaps * gaps
    np.fill_diagonal(table, np.inf)
    return table.astype(np.float32)


def part(rows: list[int], table: Table, leaf: int, filled: float, leaders: int) -> list[list[int]]:
    """The leaves of one parting, in any order."""
    if len(rows) <= leaf:
        return [rows]
    chosen = rows[: min(leaders, ceil(len(rows) / (filled * leaf)))]
    groups: dict[int, list[int]] = {}
    for row in rows:
        nearest = row if row in chosen else min(chosen, key=lambda leader: table[row, leader])
        groups.setdefault(nearest, []).append(row)
    return [found for group in groups.values() for found in part(group, table, leaf, filled, leaders)]


def choose(candidates: list[int], node: int, table: Table, limit: int, alpha: float) -> list[int]:
    """The alpha-rule in two rounds, over candidates that come nearest first."""
    kept: list[int] = []
    for stretch in (np.float32(1.0), np.float32(alpha)):
        for row in candidates:
            covered = any(stretch * table[row, other] <= table[node, row] for other in kept)
            if row not in kept and not covered and len(kept) < limit:
                kept.append(row)
    return kept


def link(near: Edges, table: Table, degree: int, limit: int, alpha: float) -> Edges:
    """What each row chose and what chose it; chosen again where there is no room for all."""
    chosen = {node: choose(rows, node, table, limit, alpha) for node, rows in near.items()}
    linked = {node: list(rows) for node, rows in chosen.items()}
    for node, rows in chosen.items():
        for other in rows:
            if node not in chosen[other]:
                linked[other].append(node)
    for node, rows in linked.items():
        if len(rows) > degree:
            linked[node] = choose(sorted(rows, key=lambda row: table[node, row]), node, table, degree, alpha)
    return linked
