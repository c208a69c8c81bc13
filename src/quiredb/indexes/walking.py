"""Search by a walk where a walk can be trusted, else by a scan.

A walk meets the rows around the query. Where hardly any of these are allowed, as when the filter says one thing and
the query another, it would come back with rows that it met on its way there. So a graph is first asked for the rows
around the query whatever the mask says: when far fewer of them are allowed than of all rows, the allowed rows are
scanned. So they are when a walk finds fewer than there are: a sparse mask can cut it short.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from quiredb.indexes.contract import Distances, IndexStructure, Mask, Rows, Vectors
from quiredb.indexes.flat import FlatIndex

PROBED = 32
"""Rows around the query that are looked at."""
_THINNED = 0.5
"""How much thinner than everywhere allowed rows may be around the query."""
_ROAMING = frozenset({"graph"})
"""Kinds whose masked search goes no further than around the query."""


def walk_or_scan(
    flat: FlatIndex, structure: IndexStructure, query: Vectors, k: int, effort: int, mask: Mask | None, allowed: int,
    *, probe: bool = True,
) -> tuple[Rows, Distances, bool]:  # fmt: skip
    """The nearest `k` of the `allowed` rows (k is at most that), and whether a walk found them.

    probe: look around the query first, where a mask is given.
    """
    if mask is None or not probe or not are_far(structure, query.reshape(1, -1), mask, allowed)[0]:
        rows, distances = structure.search(query, k, effort=effort, mask=mask)
        if rows.shape[0] == k:
            return rows, distances, True
    return *flat.search(query, k, mask=mask), False


def walk_or_scan_each(
    flat: FlatIndex, structure: IndexStructure, queries: Vectors, k: int, effort: int, mask: Mask | None, allowed: int,
    *, probe: bool = True,
) -> tuple[Rows, Distances, NDArray[np.bool_]]:  # fmt: skip
    """`walk_or_scan` for each query: [b, k], [b, k] and [b]."""
    rows, distances = structure.search_batch(queries, k, effort=effort, mask=mask)
    walked: NDArray[np.bool_] = rows[:, -1] >= 0
    if mask is not None and probe:
        walked &= ~are_far(structure, queries, mask, allowed)
    if not walked.all():
        rows[~walked], distances[~walked] = flat.search_batch(queries[~walked], k, mask=mask)
    return rows, distances, walked


def are_far(structure: IndexStructure, queries: Vectors, mask: Mask, allowed: int) -> NDArray[np.bool_]:
    """Whether allowed rows are rare around each query."""
    if structure.kind not in _ROAMING:
        return np.zeros(queries.shape[0], np.bool_)
    rows, _ = structure.search_batch(queries, PROBED, effort=PROBED)
    near = np.count_nonzero((mask[rows] != 0) & (rows >= 0), axis=1)
    far: NDArray[np.bool_] = near < _THINNED * PROBED * allowed / structure.count
    return far
