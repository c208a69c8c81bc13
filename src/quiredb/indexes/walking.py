"""Search by a plan, and by a scan where a walk cannot be trusted.

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
from quiredb.indexes.graph import GraphIndex
from quiredb.indexes.planner import Plan

PROBED = 32
"""Rows around the query that are looked at."""
_THINNED = 0.5
"""How much thinner than everywhere allowed rows may be around the query."""


def carry_out(
    plan: Plan, flat: FlatIndex, structure: IndexStructure, query: Vectors, k: int, mask: Mask | None, allowed: int,
    *, probe: bool = True,
) -> tuple[Rows, Distances, Plan]:  # fmt: skip
    """The nearest `k` of the `allowed` rows (k is at most that), and the plan that found them.

    probe: before a walk look around the query, where a mask is given.
    """
    if plan.name == "scan":
        return *flat.search(query, k, mask=mask), plan
    if plan.name == "signs" and isinstance(structure, GraphIndex) and mask is not None:
        rows, distances = structure.scan_signs(query.reshape(1, -1), k, mask)
        return rows[0], distances[0], plan
    if mask is None or not probe or not are_far(structure, query.reshape(1, -1), mask, allowed)[0]:
        rows, distances = structure.search(query, k, effort=plan.effort, mask=mask)
        if rows.shape[0] == k:
            return rows, distances, plan
    return carry_out(plan.without_walk, flat, structure, query, k, mask, allowed)


def carry_out_each(
    plan: Plan, flat: FlatIndex, structure: IndexStructure, queries: Vectors, k: int, mask: Mask | None, allowed: int,
    *, probe: bool = True,
) -> tuple[Rows, Distances, list[Plan]]:  # fmt: skip
    """`carry_out` for each query: [b, k], [b, k] and the b plans."""
    plans = [plan] * len(queries)
    if plan.name == "scan":
        return *flat.search_batch(queries, k, mask=mask), plans
    if plan.name == "signs" and isinstance(structure, GraphIndex) and mask is not None:
        return *structure.scan_signs(queries, k, mask), plans
    rows, distances = structure.search_batch(queries, k, effort=plan.effort, mask=mask)
    failed: NDArray[np.bool_] = rows[:, -1] < 0
    if mask is not None and probe:
        failed |= are_far(structure, queries, mask, allowed)
    if failed.any():
        spare = plan.without_walk
        rows[failed], distances[failed], _ = carry_out_each(spare, flat, structure, queries[failed], k, mask, allowed)
        plans = [spare if one else plan for one in failed.tolist()]
    return rows, distances, plans


def are_far(structure: IndexStructure, queries: Vectors, mask: Mask, allowed: int) -> NDArray[np.bool_]:
    """Whether allowed rows are rare around each query, where a search goes no further than around it."""
    if not isinstance(structure, GraphIndex):
        return np.zeros(queries.shape[0], np.bool_)
    rows, _ = structure.search_batch(queries, PROBED, effort=PROBED)
    near = np.count_nonzero((mask[rows] != 0) & (rows >= 0), axis=1)
    far: NDArray[np.bool_] = near < _THINNED * PROBED * allowed / structure.count
    return far
