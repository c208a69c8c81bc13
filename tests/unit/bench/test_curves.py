"""The arithmetic of the benchmark's tables, against numbers worked out by hand."""

import math

import numpy as np
import pytest

from bench.peers.curves import AtRecall, CurvePoint, at_recall, fit_power_law, frontier, spread

SLOW_AND_SURE = CurvePoint(0.99, 1_000.0, 800.0, 40_000.0)
MIDDLE = CurvePoint(0.94, 4_000.0, 200.0, 10_000.0)
QUICK = CurvePoint(0.80, 9_000.0, 100.0, 5_000.0)
BEATEN = CurvePoint(0.90, 3_000.0, 90.0, 1.0)


def test_the_frontier_keeps_what_nothing_beats() -> None:
    assert frontier([BEATEN, SLOW_AND_SURE, QUICK, MIDDLE]) == [QUICK, MIDDLE, SLOW_AND_SURE]


def test_of_two_points_of_one_recall_the_faster_stays() -> None:
    slower = CurvePoint(MIDDLE.recall, MIDDLE.qps - 1)

    assert frontier([slower, MIDDLE]) == frontier([MIDDLE, slower]) == [MIDDLE]


def test_between_two_points_logarithms_are_linear() -> None:
    halfway = at_recall([QUICK, MIDDLE, SLOW_AND_SURE], 0.965)

    assert halfway is not None
    assert halfway.qps == pytest.approx(math.sqrt(4_000 * 1_000))
    assert halfway.distances == pytest.approx(math.sqrt(200 * 800))
    assert halfway.bytes_read == pytest.approx(math.sqrt(10_000 * 40_000))
    assert not halfway.is_floor


def test_on_a_point_its_own_values_are_read() -> None:
    found = at_recall([QUICK, MIDDLE, SLOW_AND_SURE], 0.94)

    assert found is not None
    assert (found.qps, found.distances) == (pytest.approx(4_000), pytest.approx(200))


def test_above_the_last_point_nothing_is_reached() -> None:
    assert at_recall([QUICK, MIDDLE], 0.95) is None
    assert at_recall([], 0.5) is None


def test_below_the_first_point_its_rate_is_a_floor() -> None:
    assert at_recall([MIDDLE, SLOW_AND_SURE], 0.90) == AtRecall(4_000.0, 200.0, 10_000.0, is_floor=True)
    assert at_recall([MIDDLE, SLOW_AND_SURE], 0.94) == AtRecall(4_000.0, 200.0, 10_000.0, is_floor=False)


def test_what_one_neighbour_does_not_count_is_not_known() -> None:
    found = at_recall([CurvePoint(0.9, 9_000.0), SLOW_AND_SURE], 0.95)

    assert found is not None
    assert (found.distances, found.bytes_read) == (None, None)


def test_a_power_law_is_found_again() -> None:
    rows = np.array([1e4, 3e4, 1e5, 3e5])
    law = fit_power_law(rows, 0.002 * rows**1.2)

    assert law is not None
    assert (law.exponent, law.factor, law.r2) == (pytest.approx(1.2), pytest.approx(0.002), pytest.approx(1.0))


def test_r2_falls_with_scatter() -> None:
    law = fit_power_law([1, 10, 100, 1_000], [1, 100, 1, 100])

    assert law is not None
    # by hand, in decades: x = 0..3, y = 0,2,0,2; slope 0.4; residuals -0.4, 1.2, -1.2, 0.4
    assert law.exponent == pytest.approx(0.4)
    assert law.r2 == pytest.approx(1 - 3.2 / 4)


def test_one_point_has_no_exponent() -> None:
    assert fit_power_law([10], [1]) is None


def test_a_constant_cost_grows_not_at_all() -> None:
    law = fit_power_law([1, 10, 100], [5, 5, 5])

    assert law is not None
    assert law.exponent == pytest.approx(0)


def test_spread_is_the_range_over_the_median() -> None:
    assert spread([9.0, 10.0, 12.0]) == pytest.approx(0.3)
