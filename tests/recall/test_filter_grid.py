"""Filters of every share, however they go with the query, at every k: recall is kept and no hit is missing."""

from __future__ import annotations

import numpy as np
import pytest

from bench.filter_grid import KINDS, NEIGHBOURS, SHARES, Cell, grid, masks_of
from bench.filters import LEAST_RECALL, complaints, summary
from bench.peers import synthetic
from quiredb.indexes import VectorIndex

COUNT, QUERIES = 12_000, 12


@pytest.fixture(scope="module", params=["graph", "ivf"])
def index(request: pytest.FixtureRequest) -> VectorIndex:
    rows, _ = synthetic.make(synthetic.RECIPES["passages"], COUNT, 1)
    return VectorIndex.build(rows[:, :128].copy(), "cosine", request.param, threads=2)


def test_recall_and_hits_are_kept_in_every_cell(index: VectorIndex) -> None:
    _, queries = synthetic.make(synthetic.RECIPES["passages"], 1, QUERIES)
    cells = list(grid(index, queries[:, :128].copy()))
    assert len(cells) == len(SHARES) * len(KINDS) * len(NEIGHBOURS)
    low = [cell for cell in cells if cell.recall < LEAST_RECALL or cell.hits < 1]
    assert not low, low
    assert all(cell.seconds > 0 and sum(cell.plans.values()) == QUERIES for cell in cells)


def test_masks_are_what_they_are_called(index: VectorIndex) -> None:
    query = index.flat.vectors[7]
    masks = masks_of(index, query, 0.01, np.random.default_rng(0))
    order = index.flat.search(query, COUNT)[0]
    rank = np.empty(COUNT)
    rank[order] = np.arange(COUNT)
    assert {kind: int(mask.sum()) for kind, mask in masks.items()} == dict.fromkeys(KINDS, 120)
    assert rank[masks["near"]].max() < 240 and rank[masks["far"]].min() >= COUNT // 2
    assert 0.4 * COUNT < rank[masks["random"]].mean() < 0.6 * COUNT


def test_what_is_not_kept_is_said() -> None:
    kept = Cell(0.01, "random", 10, 0.95, 1.0, 1e-4, 3.0, {})
    assert complaints([kept]) == []
    broken = [
        Cell(0.01, "random", 10, 0.94, 1.0, 1e-4, 1.0, {}),
        Cell(0.01, "random", 10, 1.0, 0.9, 1e-4, 1.0, {}),
        Cell(0.01, "random", 10, 1.0, 1.0, 1e-4, 3.1, {}),
    ]
    assert [len(complaints([cell])) for cell in broken] == [1, 1, 1]
    assert complaints([Cell(0.5, "far", 10, 1.0, 1.0, 1e-4, 30.0, {})]) == []


def test_the_summary_shows_the_worst_of_all_k() -> None:
    cells = [
        Cell(0.1, kind, k, 1 - k / 1000, 1.0, 1e-4, multiple, {})
        for kind in KINDS
        for k, multiple in ((1, 2.0), (10, 1.0), (100, 0.5))
    ]
    assert summary(cells) == [("allowed", *KINDS), ("10.00%", *["0.900, 2.0 x"] * len(KINDS))]
