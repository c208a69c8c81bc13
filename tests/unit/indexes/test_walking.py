"""Walks where they can be trusted, scans elsewhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from quiredb.indexes import GraphIndex, build_flat, build_graph
from quiredb.indexes.walking import are_far, walk_or_scan, walk_or_scan_each
from tests.unit.indexes.samples import clustered

FLAT = build_flat(clustered(3000, 16), "l2")
GRAPH = build_graph(FLAT, degree=12, build_effort=30)


def test_a_walk_that_falls_short_is_replaced_by_a_scan(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sparse masks can cut a walk; which ones do is up to the graph, so one is cut here."""
    queries = clustered(4, 16, seed=9)
    whole_batch = GraphIndex.search_batch

    def cut_short(graph: GraphIndex, queries: Any, k: int, **asked: Any) -> Any:
        rows, distances = whole_batch(graph, queries, k, **asked)
        rows[0, -1], distances[0, -1] = -1, np.inf
        return rows, distances

    monkeypatch.setattr(GraphIndex, "search_batch", cut_short)
    monkeypatch.setattr(GraphIndex, "search", lambda graph, query, k, **asked: FLAT.search(query, k - 1))
    expected = FLAT.search_batch(queries, 7)[0]
    rows, _, walked = walk_or_scan(FLAT, GRAPH, queries[0], 7, 100, None, FLAT.count)
    assert rows.tolist() == expected[0].tolist() and not walked
    found, near, each = walk_or_scan_each(FLAT, GRAPH, queries, 7, 100, None, FLAT.count)
    assert found[0].tolist() == expected[0].tolist() and np.isfinite(near).all()
    assert each.tolist() == [False, True, True, True]


def test_a_query_far_from_all_that_is_allowed_is_scanned() -> None:
    queries = clustered(30, 16, seed=8)
    order = FLAT.search(queries[0], 3000)[0]
    masks = {"near": order[:1000], "far": order[-1000:], "random": np.random.default_rng(2).permutation(3000)[:1000]}
    walked = {}
    for kind, rows in masks.items():
        mask = np.zeros(3000, np.bool_)
        mask[rows] = True
        walked[kind] = walk_or_scan(FLAT, GRAPH, queries[0], 10, 64, mask, 1000)[2]
        assert are_far(GRAPH, queries[:1], mask, 1000).tolist() == [not walked[kind]]
        many = walk_or_scan_each(FLAT, GRAPH, queries, 10, 64, mask, 1000)
        for number, query in enumerate(queries):
            assert many[0][number].tolist() == walk_or_scan(FLAT, GRAPH, query, 10, 64, mask, 1000)[0].tolist()
    assert walked == {"near": True, "far": False, "random": True}
