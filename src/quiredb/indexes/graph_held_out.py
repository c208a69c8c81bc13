"""A graph as if some of its rows were not there, so that they can be queries it has never seen."""

from __future__ import annotations

import numpy as np

from quiredb.indexes.contract import Rows
from quiredb.indexes.graph import GraphIndex

_ROWS_PER_SLICE = 65_536


def without_rows(graph: GraphIndex, rows: Rows) -> GraphIndex:
    """A graph that cannot reach `rows`, which are no entries of it. O(n degree); the codes are shared.

    An edge to one of them becomes an edge of a row to itself, which no walk follows. A graph built without them would
    have other edges in their place, so this one finds a little less: what is measured on it is a lower bound.
    """
    gone = np.zeros(graph.count, np.bool_)
    gone[rows] = True
    neighbours = graph.neighbours.copy()
    for start in range(0, graph.count, _ROWS_PER_SLICE):
        part = neighbours[start : start + _ROWS_PER_SLICE]
        at, column = np.nonzero(gone[np.maximum(part, 0)] & (part >= 0))
        part[at, column] = start + at
    entries = graph.entries[~gone[graph.entries]]
    return GraphIndex(graph.flat, graph.records, neighbours, entries, graph.rotation)
