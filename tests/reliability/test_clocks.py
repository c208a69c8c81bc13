"""The wall clock jumps while a server works, and nothing but the clock's own readings follows it."""

from __future__ import annotations

from pathlib import Path

import pytest

from reliability import clocks
from reliability.wall_clock import Clock


def test_a_clock_that_jumps_harms_nothing() -> None:
    record = clocks.run(7, seed=1)
    assert record.violations == []
    assert record.counts["clock was set"] == 6 and record.counts["operations"] > 20


@pytest.mark.parametrize(
    "bug", [*clocks.BUGS[:2], *(pytest.param(bug, marks=pytest.mark.deep) for bug in clocks.BUGS[2:])]
)
def test_a_planted_bug_is_seen(bug: str) -> None:
    assert clocks.catch(bug, seed=1) is not None


def test_the_clock_of_another_process_is_set_through_a_file(tmp_path: Path) -> None:
    mine, its = Clock(tmp_path / "clock"), Clock(tmp_path / "clock")
    before = its.nanoseconds()
    mine.set(-3_600)
    assert -3_600 <= (its.nanoseconds() - before) / 1e9 < -3_500
    mine.stop()
    assert its.nanoseconds() == its.nanoseconds()


@pytest.mark.deep
@pytest.mark.timeout(900)
def test_seventy_jumps_harm_nothing() -> None:
    assert clocks.run(70, seed=2).violations == []
