"""What is measured when an index is built: curves on rows that it does not know, scans, and how sure they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from quiredb.indexes import GraphIndex, VectorIndex, build_flat, build_graph, measuring
from quiredb.indexes.curve import EffortCurve, EffortPoint, Measured, lower_of
from quiredb.indexes.graph_held_out import without_rows
from quiredb.indexes.held_out import Questions, ask, hold_out, truths
from quiredb.indexes.measuring import MASKED_SHARES, NEIGHBOURS, lower_bound, measure
from tests.unit.indexes.samples import clustered

FLAT = build_flat(clustered(3000, 16), "l2")
GRAPH = build_graph(FLAT, degree=12, build_effort=30)


def test_curves_rise_with_effort(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "_scans", lambda flat, random: (1.0, ((1.0, 1.0),)))
    measured = measure(FLAT, GRAPH)
    assert [(curve.share, curve.k) for curve in measured.curves] == [
        (share, k) for share in (1.0, *MASKED_SHARES) for k in (1, *NEIGHBOURS)
    ]
    for curve in measured.curves:
        efforts = [point.effort for point in curve.points]
        assert efforts == sorted(efforts) and min(efforts) >= curve.k
        assert curve.points[-1].recall > 0.97
        assert curve.points[-1].recall >= curve.points[0].recall
        assert all(point.seconds > 0 for point in curve.points)


def test_every_curve_goes_on_until_nearly_everything_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def sit_finding_the_nearest_last(_structure: Any, exam: Any, effort: int, judged: Any) -> Any:
        exam.shares[0] = [float(effort >= 96 or k > 1) for k in judged]
        return [1e-6] * exam.timed

    monkeypatch.setattr(measuring, "_sit", sit_finding_the_nearest_last)
    first, tenth = measure(FLAT, GRAPH).curves[:2]
    for curve in (first, tenth):
        assert curve.points[-1].effort == 96
        assert curve.points[-1].recall >= 0.9975


def test_only_walks_that_found_all_spare_longer_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """Questions that are not timed rest once all was found; of a walk that found too few nothing is known."""
    asked: list[tuple[int, float]] = []
    whole = GraphIndex.search_batch

    def search_batch(graph: GraphIndex, queries: Any, k: int, *, effort: int, **mask: Any) -> Any:
        asked.extend((effort, float(query[0])) for query in queries)
        rows, distances = whole(graph, queries, k, effort=effort, **mask)
        if effort == 10:
            distances[queries[:, 0] < 0, 1:] = np.inf
        return rows, distances

    monkeypatch.setattr(measuring, "_TIMED", 1)
    monkeypatch.setattr(measuring, "_scans", lambda flat, random: (1.0, ((1.0, 1.0),)))
    monkeypatch.setattr(GraphIndex, "search_batch", search_batch)
    *points, last = measure(FLAT, GRAPH).curves[1].points
    plain = asked[: [effort for effort, _ in asked].index(last.effort)]
    walked = {point.effort: {first for effort, first in plain if effort == point.effort} for point in points}
    assert len(walked[10]) == 299 and walked[10] >= walked[16] > walked[24]
    assert len([first for first in walked[16] if first < 0]) == len([first for first in walked[10] if first < 0])
    assert len([first for first in walked[16] if first > 0]) < len([first for first in walked[10] if first > 0])


def test_the_same_seed_measures_the_same_recall() -> None:
    once, again = (measure(FLAT, GRAPH, seed=4) for _ in range(2))
    for one, other in zip(once.curves[:3], again.curves[:3], strict=True):
        pairs = zip(one.points, other.points, strict=False)
        assert all(a.recall == b.recall for a, b in pairs)


def test_where_scans_are_quick_masks_are_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "_scans", lambda flat, random: (1e-9, ((1.0, 1e-9),)))
    measured = measure(FLAT, GRAPH)
    assert {curve.share for curve in measured.curves} == {1.0}
    assert all(len(curve.points) == 1 for curve in measured.curves)


def test_scans_are_timed_by_share() -> None:
    measured = measure(FLAT, FLAT)
    assert measured.curves == ()
    assert measured.scan_seconds > 0
    shares = [share for share, _ in measured.masked_scans]
    assert shares == sorted(shares) and shares[-1] == 1.0


def test_a_busy_moment_does_not_make_a_scan_seem_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, scans = [0.0], []

    def scan_slowly_at_first(_query: Any, _mask: Any) -> None:
        scans.append(1)
        clock[0] += 8.0 if len(scans) <= 5 else 1.0

    monkeypatch.setattr(measuring.time, "perf_counter", lambda: clock[0])
    assert measuring._seconds(FLAT.vectors[:5], None, scan_slowly_at_first) == 1.0


def test_scans_by_signs_are_timed_and_judged() -> None:
    measured = measure(FLAT, GRAPH)
    shares = [share for share, _ in measured.sign_scans]
    assert shares == [share for share, _ in measured.masked_scans]
    assert all(seconds > 0 for _, seconds in measured.sign_scans)
    assert 0.98 < measured.sign_recall < 1
    assert Measured.from_json(measured.as_json()).as_json() == measured.as_json()
    assert measure(FLAT, FLAT).sign_recall == 0


def test_signs_that_miss_rows_are_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = GraphIndex.scan_signs

    def without_the_nearest(graph: GraphIndex, queries: Any, k: int, mask: Any) -> Any:
        rows, distances = whole(graph, queries, k + 1, mask)
        return rows[:, 1:], distances[:, 1:]

    monkeypatch.setattr(GraphIndex, "scan_signs", without_the_nearest)
    assert measure(FLAT, GRAPH).sign_recall < 0.91


@pytest.mark.parametrize("kind", ["graph", "ivf"])
@pytest.mark.parametrize("count", [2, 3, 21])
def test_a_handful_of_rows_can_be_measured(monkeypatch: pytest.MonkeyPatch, kind: str, count: int) -> None:
    """Also under masks that allow none of them."""
    monkeypatch.setattr(measuring, "_scans", lambda flat, random: (1.0, ((1.0, 1.0),)))
    curves = VectorIndex.build(clustered(count, 4), "l2", kind).measured.curves
    assert curves and all(0 <= point.recall <= 1 for curve in curves for point in curve.points)


def test_measuring_can_be_stopped() -> None:
    def stop() -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        measure(FLAT, GRAPH, check=stop)


def test_held_out_rows_are_never_met() -> None:
    held = hold_out(FLAT, GRAPH, np.random.default_rng(3))
    assert len(held.rows) == 300 and not held.present[held.rows].any()
    for query in held.questions.queries[:50]:
        assert not np.isin(held.structure.search(query, 50, effort=300)[0], held.rows).any()
    gone = np.arange(0, 3000, 7)
    gone = gone[~np.isin(gone, GRAPH.entries)]
    absent = without_rows(GRAPH, gone)
    edges = absent.neighbours[absent.neighbours >= 0]
    assert not np.isin(edges[edges != np.repeat(np.arange(3000), (absent.neighbours >= 0).sum(axis=1))], gone).any()
    assert np.isin(GRAPH.neighbours, gone).any()


@pytest.mark.parametrize("share", [1.0, 0.3, 0.02])
def test_the_truth_under_a_mask_is_that_of_a_scan(share: float) -> None:
    """Also where too few of the known nearest rows are allowed."""
    mask = np.random.default_rng(1).random(3000) < share
    questions: Questions = ask(FLAT, clustered(20, 16, seed=6), None)
    members = np.arange(len(questions.queries))[::-1]
    found = truths(FLAT, questions, members, mask, 40)
    expected = [FLAT.search(questions.queries[member], 40, mask=mask)[1] for member in members]
    assert [one.tolist() for one in found] == [one.tolist() for one in expected]


def test_the_bound_is_below_the_mean_and_closes_in_with_more_queries() -> None:
    random = np.random.default_rng(1)
    bounds = []
    for count in (50, 500, 5000):
        shares = random.binomial(10, 0.95, count) / 10
        bounds.append(lower_bound(shares, 10))
        assert bounds[-1] < shares.mean()
    assert bounds == sorted(bounds)
    assert 0.99 < lower_bound(np.ones(300), 10) < lower_bound(np.ones(300), 100) < 1
    assert lower_bound(np.ones(50), 10, mean=0.9) < 0.9


def test_the_bound_holds_for_nineteen_samples_of_twenty() -> None:
    random = np.random.default_rng(2)
    held = [lower_bound(random.binomial(10, 0.97, 300) / 10, 10) <= 0.97 for _ in range(2000)]
    assert np.mean(held) >= 0.94


def test_of_two_curves_the_lower_counts() -> None:
    one = EffortCurve(1.0, 10, (EffortPoint(10, 0.8, 1.0), EffortPoint(20, 0.99, 2.0)))
    other = EffortCurve(1.0, 10, (EffortPoint(10, 0.7, 1.5), EffortPoint(40, 0.95, 3.0)))
    assert lower_of(one, other).points == (
        EffortPoint(10, 0.7, 1.5),
        EffortPoint(20, 0.7, 2.0),
        EffortPoint(40, 0.95, 3.0),
    )
    assert lower_of(one, EffortCurve(1.0, 10, ())).points == ()
