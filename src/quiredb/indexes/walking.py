"""Search by a plan, and by a scan where a walk comes back with too little.

A walk meets the rows around the query. Where hardly any of these are allowed, as when the filter says one thing and
the query another, it gives up; and a sparse mask can cut it short. Then the allowed rows are scanned.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from quiredb.indexes.contract import Distances, IndexStructure, Mask, Rows, Vectors
from quiredb.indexes.flat import FlatIndex
from quiredb.indexes.graph import GraphIndex
from quiredb.indexes.planner import Plan


def carry_out(
    plan: Plan, flat: FlatIndex, structure: IndexStructure, query: Vectors, k: int, mask: Mask | None,
    allowed: int | None = None,
) -> tuple[Rows, Distances, Plan]:  # fmt: skip
    """The nearest `k` of the allowed rows (k is at most how many these are), and the plan that found them.

    allowed: how many rows the mask allows; without it they are counted.
    """
    if plan.name == "scan":
        return *flat.search(query, k, mask=mask), plan
    if plan.name == "signs" and isinstance(structure, GraphIndex) and mask is not None:
        rows, distances = structure.scan_signs(query.reshape(1, -1), k, mask)
        return rows[0], distances[0], plan
    rows, distances = structure.search(query, k, effort=plan.effort, mask=mask, allowed=allowed)
    if rows.shape[0] == k:
        return rows, distances, plan
    return carry_out(plan.without_walk, flat, structure, query, k, mask, allowed)


def carry_out_each(
    plan: Plan, flat: FlatIndex, structure: IndexStructure, queries: Vectors, k: int, mask: Mask | None,
    allowed: int | None = None,
) -> tuple[Rows, Distances, list[Plan]]:  # fmt: skip
    """`carry_out` for each query: [b, k], [b, k] and the b plans."""
    plans = [plan] * len(queries)
    if plan.name == "scan":
        return *flat.search_batch(queries, k, mask=mask), plans
    if plan.name == "signs" and isinstance(structure, GraphIndex) and mask is not None:
        return *structure.scan_signs(queries, k, mask), plans
    rows, distances = structure.search_batch(queries, k, effort=plan.effort, mask=mask, allowed=allowed)
    failed: NDArray[np.bool_] = rows[:, -1] < 0
    if failed.any():
        spare = plan.without_walk
        rows[failed], distances[failed], _ = carry_out_each(spare, flat, structure, queries[failed], k, mask, allowed)
        plans = [spare if one else plan for one in failed.tolist()]
    return rows, distances, plans
