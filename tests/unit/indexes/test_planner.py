"""The plan of one search, from counts and from what was measured."""

from __future__ import annotations

from dataclasses import replace
from math import log2

import pytest

from quiredb.indexes.curve import EffortCurve, EffortPoint, Measured
from quiredb.indexes.planner import DEFAULT_RECALL, choose_plan, promised

COUNT = 100_000


def curve(share: float, k: int, *points: tuple[int, float, float]) -> EffortCurve:
    return EffortCurve(share, k, tuple(EffortPoint(*point) for point in points))


PLAIN = curve(1.0, 10, (10, 0.80, 1e-5), (64, 0.96, 2e-5), (128, 0.999, 4e-5))
ONE = curve(1.0, 1, (10, 0.90, 1e-5), (64, 0.99, 2e-5), (128, 0.9999, 4e-5))
MANY = curve(1.0, 100, (128, 0.90, 1e-4), (256, 0.99, 2e-4), (512, 0.9999, 4e-4))
HALF = curve(0.5, 10, (16, 0.80, 2e-5), (128, 0.999, 8e-5))
SCANS = ((0.1, 1e-4), (0.5, 5e-4), (1.0, 1e-3))
MEASURED = Measured((ONE, PLAIN, MANY, HALF), 1e-3, SCANS)


def plan(
    allowed: int = COUNT,
    *,
    k: int = 10,
    recall: float | None = 0.9,
    exact: bool = False,
    kind: str = "graph",
    measured: Measured = MEASURED,
) -> tuple[str, int]:
    chosen = choose_plan(kind, measured, COUNT, allowed, k, recall, exact)
    return str(chosen), chosen.effort


def test_nothing_allowed_is_skipped() -> None:
    assert plan(0) == ("skip", 0)
    assert plan(0, exact=True) == ("skip", 0)


@pytest.mark.parametrize("allowed", [1, COUNT - 1, COUNT])
def test_certainty_is_a_scan(allowed: int) -> None:
    expected = ("scan" if allowed == COUNT else "masked-scan", 0)
    assert plan(allowed, exact=True) == expected
    assert plan(allowed, recall=1.0) == expected
    assert plan(allowed, kind="flat") == expected


def test_all_that_is_allowed_is_asked_for() -> None:
    assert plan(60_000, k=60_000) == ("masked-scan", 0)


def test_the_structure_gives_the_plan_its_name() -> None:
    assert plan(kind="ivf")[0] == "ivf"
    assert plan(60_000, kind="ivf")[0] == "masked-ivf"


def test_the_effort_is_the_least_that_was_measured_to_reach_the_recall() -> None:
    """Between two points the effort grows in proportion to the recall."""
    for recall in (0.7, 0.8, 0.9, 0.95, 0.99):
        need = promised(recall)
        name, effort = plan(recall=recall)
        assert name == "graph"
        known = [(9, 0.0), *((point.effort, point.recall) for point in PLAIN.points)]
        low = max(pair for pair in known if pair[1] < need)
        high = min(pair for pair in known if pair[1] >= need)
        assert low[0] <= effort <= high[0]
        assert low[1] + (effort - low[0]) / max(1, high[0] - low[0]) * (high[1] - low[1]) >= need - 1e-9


def test_a_lucky_point_does_not_count() -> None:
    lucky = Measured((curve(1.0, 10, (10, 0.999, 1e-5), (20, 0.8, 2e-5), (40, 0.999, 3e-5)),), 1e-3)
    assert 20 < plan(recall=0.95, measured=lucky)[1] <= 40


def test_the_harder_of_one_and_ten_neighbours_counts() -> None:
    hard_to_be_first = curve(1.0, 1, (10, 0.5, 1e-5), (128, 0.999, 4e-5))
    measured = Measured((hard_to_be_first, PLAIN, MANY), 1e-3, SCANS)
    assert plan(k=1, measured=measured) == plan(k=10, measured=measured)
    assert plan(k=1, measured=measured)[1] > plan(k=1)[1]


def test_effort_grows_with_k() -> None:
    efforts = [plan(k=k)[1] for k in (1, 10, 40, 70, 100, 150, 200)]
    assert efforts[0] == efforts[1]
    assert efforts == sorted(efforts)
    assert efforts[-1] == pytest.approx(2 * efforts[4], abs=2)


def test_a_scan_that_is_cheaper_is_taken() -> None:
    cheap = Measured(MEASURED.curves, 1e-5, tuple((share, 1e-5) for share, _ in SCANS))
    assert plan(measured=cheap) == ("scan", 0)
    assert plan(60_000, measured=cheap) == ("masked-scan", 0)


def test_the_harder_of_two_measured_shares_counts() -> None:
    half, most = plan(50_000)[1], plan(70_000)[1]
    assert half == most > plan()[1]


def test_the_cost_of_a_walk_is_predicted_between_measured_shares() -> None:
    """It grows smoothly as fewer rows are allowed: a share just below a measured one costs about as much."""
    thin, half = curve(0.1, 10, (50, 1.0, 8e-4)), curve(0.5, 10, (50, 1.0, 1e-4))
    measured = Measured((thin, half, curve(1.0, 10, (50, 1.0, 5e-5))), 1e-2)
    costs = [walk[1] for share in (0.5, 0.499, 0.3, 0.2, 0.1) if (walk := measured.walk(share, 10, 0.9))]
    assert costs == sorted(costs) and costs[0] == pytest.approx(1e-4) and costs[-1] == pytest.approx(8e-4)
    assert costs[1] == pytest.approx(1e-4, rel=0.01)
    assert measured.walk(0.9, 10, 0.9) == (50, pytest.approx(5e-5 * 2 ** log2(1 / 0.9)))


def test_below_the_smallest_measured_share_rows_are_scanned() -> None:
    assert plan(50_000)[0] == "masked-graph"
    assert plan(49_999) == ("masked-scan", 0)


SIGNED = replace(MEASURED, sign_scans=((0.001, 1e-6), (0.5, 2e-4), (1.0, 4e-4)), sign_recall=0.998)


def test_few_rows_are_scanned_by_signs_where_that_is_cheapest() -> None:
    assert plan(1_000, measured=SIGNED) == ("masked-signs", 0)
    assert plan(60_000, measured=SIGNED)[0] == "masked-graph"
    slow = replace(SIGNED, sign_scans=((0.001, 1.0), (1.0, 1.0)))
    assert plan(1_000, measured=slow) == ("masked-scan", 0)


def test_signs_are_held_to_their_measured_recall() -> None:
    assert plan(1_000, recall=0.99, measured=SIGNED) == ("masked-signs", 0)
    assert plan(1_000, recall=0.996, measured=SIGNED) == ("masked-scan", 0)
    assert plan(1_000, recall=1.0, measured=SIGNED) == plan(1_000, exact=True, measured=SIGNED) == ("masked-scan", 0)
    assert plan(5, k=10, measured=SIGNED) == ("masked-scan", 0)
    assert plan(measured=SIGNED) == plan(measured=MEASURED)


@pytest.mark.parametrize(("measured", "instead"), [(SIGNED, "masked-signs"), (MEASURED, "masked-scan")])
def test_a_walk_that_comes_to_nothing_is_replaced_by_the_cheaper_scan(measured: Measured, instead: str) -> None:
    walk = choose_plan("graph", measured, COUNT, 60_000, 10, 0.9)
    assert str(walk) == "masked-graph" and str(walk.without_walk) == instead


def test_a_recall_that_was_never_reached_is_scanned() -> None:
    assert plan(recall=0.999) == ("scan", 0)
    assert plan(recall=0.5, measured=Measured((), 1e-3)) == ("scan", 0)


def test_without_a_wish_a_walk_does_its_best() -> None:
    assert DEFAULT_RECALL == 0.98
    poor = Measured((curve(1.0, 10, (64, 0.8, 1e-4), (128, 0.9, 2e-4)),), 1e-3, SCANS)
    assert plan(recall=None, measured=poor) == ("graph", 128)
    assert plan(recall=0.95, measured=poor) == ("scan", 0)
    assert plan(60_000, recall=None, measured=poor) == ("masked-scan", 0)


def test_scans_are_predicted_between_measured_shares() -> None:
    assert MEASURED.scan(1.0) == 1e-3
    assert MEASURED.scan(0.3) == pytest.approx(3e-4)
    assert MEASURED.scan(0.01) == 1e-4
    assert 5e-4 < MEASURED.scan(0.75) < 1e-3


def test_what_was_measured_survives_json() -> None:
    again = Measured.from_json(MEASURED.as_json())
    assert again.as_json() == MEASURED.as_json()
    assert again.curves == MEASURED.curves
