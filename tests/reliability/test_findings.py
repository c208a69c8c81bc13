"""Findings of several lanes, taken together."""

from __future__ import annotations

from reliability.findings import Findings


def test_counts_of_lanes_add_up_and_of_the_slowest_the_slowest_is_told() -> None:
    all_of_it = Findings(1)
    for seed, slowest in ((1, 30), (2, 20)):
        lane = Findings(seed)
        lane.counts.update({"kills": 5, "slowest start, ms": slowest})
        lane.violation("something is gone")
        all_of_it.add(lane)

    assert all_of_it.counts == {"kills": 10, "slowest start, ms": 30}
    assert all_of_it.violations == ["seed 1: something is gone", "seed 2: something is gone"]
