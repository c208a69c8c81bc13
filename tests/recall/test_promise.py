"""Asking for a recall gives at least that: on data and queries that are made here and were never seen before.

Everything is seeded, and scans are said to be slow, so that walks have to keep the promise and no clock decides.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from quiredb.indexes import MetricName, VectorIndex, exact_distances, measuring

Floats = NDArray[np.float32]

PROMISES = (0.9, 0.95, 0.99)
CONFIDENCE = 1.645
KINDS = ("normal", "small clusters", "manifold", "heavy tails", "outside")


@dataclass(frozen=True)
class World:
    """An index, queries that it has never seen, and how often a walk answered."""

    index: VectorIndex
    queries: Floats


def normal(count: int, dimension: int, seed: int) -> Floats:
    return np.random.default_rng(seed).standard_normal((count, dimension)).astype(np.float32)


def clustered(count: int, dimension: int, seed: int, clusters: int) -> Floats:
    centres = normal(clusters, dimension, 7)
    return centres[np.random.default_rng(seed).integers(0, clusters, count)] + 0.3 * normal(count, dimension, seed + 1)


def manifold(count: int, dimension: int, seed: int, noise: float = 0.02) -> Floats:
    """A curved surface of eight dimensions in many, as embeddings are."""
    bent = np.tanh(normal(count, 8, seed) @ (normal(8, 48, 3) / 2))
    return (bent @ (normal(48, dimension, 4) / 7) + noise * normal(count, dimension, seed + 1)).astype(np.float32)


def world(kind: str, count: int, asked: int, seed: int) -> World:
    """Data of a kind, and queries of the same kind but for `outside`, which lie off the surface and to one side."""
    metric: MetricName = "l2"
    if kind == "normal":
        rows, queries = normal(count, 16, seed), normal(asked, 16, seed + 50)
    elif kind == "small clusters":
        rows, queries = (clustered(size, 32, at, count // 20) for size, at in ((count, seed), (asked, seed + 50)))
    elif kind == "manifold":
        metric, rows, queries = "cosine", manifold(count, 64, seed), manifold(asked, 64, seed + 50)
    elif kind == "heavy tails":
        lengths = np.random.default_rng(seed).lognormal(0, 0.4, (count, 1)).astype(np.float32)
        metric, rows, queries = "dot", manifold(count, 64, seed) * lengths, manifold(asked, 64, seed + 50)
    else:
        metric, rows = "cosine", manifold(count, 64, seed)
        queries = manifold(asked, 64, seed + 50, noise=0.3) + 0.2 * normal(1, 64, 5)
    return World(VectorIndex.build(rows, metric, "graph", threads=2, seed=seed), queries)


@pytest.fixture(scope="module")
def slow_scans() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measuring, "_scans", lambda flat, random: (1.0, ((1.0, 1.0),)))
        patch.setattr(measuring, "_by_share", lambda *asked: ((1.0, 0.5),))
        yield


@pytest.fixture(scope="module", params=KINDS)
def small(request: pytest.FixtureRequest, slow_scans: None) -> World:
    return world(request.param, 6_000, 2_000, seed=11)


def recalls(
    index: VectorIndex, queries: Floats, k: int, recall: float, mask: NDArray[np.bool_] | None = None
) -> NDArray[np.float64]:
    """The share of its true neighbours that each query found; as near as the last true one counts."""
    allowed = index.count if mask is None else int(mask.sum())
    truth = index.flat.search_batch(queries, k, mask=mask)[1][:, min(k, allowed) - 1]
    found = [index.nearest(query, k, allowed=allowed, mask=mask, recall=recall) for query in queries]
    return np.array([np.mean(one.distances <= last) for one, last in zip(found, truth, strict=True)])


def lower(shares: NDArray[np.float64]) -> float:
    return float(shares.mean() - CONFIDENCE * shares.std() / np.sqrt(len(shares)))


@pytest.mark.parametrize("k", [1, 10, 100])
def test_the_promise_holds_without_a_filter(small: World, k: int) -> None:
    kept = {recall: lower(recalls(small.index, small.queries, k, recall)) for recall in PROMISES}
    assert all(kept[recall] >= recall for recall in PROMISES), kept


@pytest.mark.parametrize("seed", [12, 13, 14, 15, 18])
def test_few_misses_are_kept_to_by_queries_from_outside(slow_scans: None, seed: int) -> None:
    made = world("outside", 6_000, 1_000, seed)
    assert lower(recalls(made.index, made.queries, 10, 0.99)) >= 0.99


@pytest.mark.parametrize("share", [0.5, 0.3])
@pytest.mark.parametrize("k", [10, 100])
def test_the_promise_holds_with_filters(small: World, share: float, k: int) -> None:
    kept = filtered(small, share, k, pivots=4, each=30)
    assert all(bound >= recall for (_, recall), bound in kept.items()), kept


def test_the_promise_holds_where_a_filter_leaves_out_just_the_nearest_tenth(slow_scans: None) -> None:
    """Walks do not give up there: they pass the hole, and find less around it."""
    kept = filtered(world("small clusters", 20_000, 600, seed=202), 0.9, 10, pivots=8, each=40)
    assert all(bound >= recall for (_, recall), bound in kept.items()), kept


def filtered(made: World, share: float, k: int, pivots: int, each: int) -> dict[tuple[str, float], float]:
    """The lower bound by kind of mask (random, near the queries, far from them) and promise."""
    index, queries = made.index, made.queries
    allowed, random = int(share * index.count), np.random.default_rng(5)
    everywhere = random.random(index.count) < share
    asked: dict[str, list[tuple[Floats, NDArray[np.bool_]]]] = {"near": [], "far": []}
    asked["random"] = [(queries[: pivots * each], everywhere)]
    for pivot in queries[:pivots]:
        order = np.argsort(exact_distances(pivot, index.flat.vectors, np.arange(index.count), index.metric))
        around = queries[np.argsort(exact_distances(pivot, queries, np.arange(len(queries)), index.metric))[:each]]
        for kind, rows in (("near", order[:allowed]), ("far", order[len(order) - allowed :])):
            mask = np.zeros(index.count, np.bool_)
            mask[rows] = True
            asked[kind].append((around, mask))
    return {
        (kind, recall): lower(np.concatenate([recalls(index, some, k, recall, mask) for some, mask in groups]))
        for kind, groups in asked.items()
        for recall in PROMISES
    }


def test_the_promise_is_kept_by_walks(small: World) -> None:
    """Were everything scanned, the tests above could not fail."""
    plans = {k: small.index.nearest(small.queries[0], k, allowed=small.index.count, recall=0.9).plan for k in (1, 10)}
    if small.index.metric != "dot":
        assert {plan.name for plan in plans.values()} == {"graph"}
        mask = np.arange(small.index.count) % 2 == 0
        masked = small.index.nearest(small.queries[0], 10, allowed=int(mask.sum()), mask=mask, recall=0.9)
        assert str(masked.plan) == "masked-graph"


def test_recorded_queries_only_lower_what_is_promised(small: World) -> None:
    again = small.index.with_queries(small.queries[:100])
    for own, lowered in zip(small.index.measured.curves, again.measured.curves, strict=True):
        assert (own.share, own.k) == (lowered.share, lowered.k)
        before = {point.effort: point.recall for point in own.points}
        assert all(point.recall <= before.get(point.effort, 1.0) for point in lowered.points)


def test_harder_recorded_queries_raise_the_effort(slow_scans: None) -> None:
    made = world("manifold", 6_000, 400, seed=21)
    hard = made.queries + 2 * normal(400, 64, 9)
    again = made.index.with_queries(hard[:200])
    plans = [one.nearest(hard[0], 10, allowed=one.count, recall=0.95).plan for one in (made.index, again)]
    assert plans[0].effort < plans[1].effort
    before, after = (recalls(one, hard[200:], 10, 0.95) for one in (made.index, again))
    assert before.mean() < after.mean() and lower(after) >= 0.95


@pytest.mark.deep
@pytest.mark.parametrize("seed", [101, 202, 303])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.usefixtures("slow_scans")
def test_the_promise_holds_on_larger_data(kind: str, seed: int) -> None:
    made = world(kind, 40_000, 2_000, seed)
    for k in (1, 10, 100):
        for recall in PROMISES:
            assert lower(recalls(made.index, made.queries, k, recall)) >= recall, (k, recall)
    for share in (0.9, 0.5, 0.2):
        for k in (10, 100):
            kept = filtered(made, share, k, pivots=8, each=60)
            assert all(bound >= recall for (_, recall), bound in kept.items()), (share, k, kept)
