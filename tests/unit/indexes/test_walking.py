"""Walks where they can be trusted, scans elsewhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from quiredb.indexes import GraphIndex, build_flat, build_graph
from quiredb.indexes.planner import Plan
from quiredb.indexes.walk_limits import walk_limits
from quiredb.indexes.walking import carry_out, carry_out_each
from tests.unit.indexes.samples import clustered

FLAT = build_flat(clustered(3000, 16), "l2")
GRAPH = build_graph(FLAT, degree=12, build_effort=30)


def walk(effort: int, *, masked: bool, instead: str = "scan") -> Plan:
    return Plan("graph", masked, effort, instead)


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
    plan = walk(100, masked=False)
    rows, _, done = carry_out(plan, FLAT, GRAPH, queries[0], 7, None)
    assert rows.tolist() == expected[0].tolist() and str(done) == "scan"
    found, near, each = carry_out_each(plan, FLAT, GRAPH, queries, 7, None)
    assert found[0].tolist() == expected[0].tolist() and np.isfinite(near).all()
    assert [str(done) for done in each] == ["scan", "graph", "graph", "graph"]


@pytest.mark.parametrize("instead", ["scan", "signs"])
def test_a_query_far_from_all_that_is_allowed_is_scanned(instead: str) -> None:
    queries = clustered(30, 16, seed=8)
    order = FLAT.search(queries[0], 3000)[0]
    masks = {"near": order[:1000], "far": order[-1000:], "random": np.random.default_rng(2).permutation(3000)[:1000]}
    walked, plan = {}, walk(64, masked=True, instead=instead)
    for kind, rows in masks.items():
        mask = np.zeros(3000, np.bool_)
        mask[rows] = True
        walked[kind] = str(carry_out(plan, FLAT, GRAPH, queries[0], 10, mask)[2])
        assert (len(GRAPH.search(queries[0], 10, effort=64, mask=mask)[0]) == 10) == (walked[kind] == "masked-graph")
        many = carry_out_each(plan, FLAT, GRAPH, queries, 10, mask)
        for number, query in enumerate(queries):
            alone, _, done = carry_out(plan, FLAT, GRAPH, query, 10, mask)
            assert (many[0][number].tolist(), many[2][number]) == (alone.tolist(), done)
    assert walked == {"near": "masked-graph", "far": f"masked-{instead}", "random": "masked-graph"}


def test_a_masked_walk_keeps_as_many_around_a_hole_as_anywhere() -> None:
    least = {allowed: walk_limits(10_000, 10, 100, allowed).least for allowed in (100, 4_900, 8_100, 10_000)}
    assert least == {100: 26, 4_900: 70, 8_100: 90, 10_000: 100}
