"""The strategy for a segment, from sizes alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

import pytest

from quiredb.engine.planner import DEFAULT_RECALL, choose_strategy
from quiredb.engine.segment import EffortPoint, Segment

CURVE = (EffortPoint(10, 0.80, 1e-5), EffortPoint(64, 0.96, 2e-5), EffortPoint(128, 0.99, 4e-5))


@dataclass
class Sized:
    """What the planner reads of a segment."""

    rows: int
    kind: str
    curve: tuple[EffortPoint, ...] = CURVE
    index: Sized = field(init=False)
    header: Sized = field(init=False)

    def __post_init__(self) -> None:
        self.index = self.header = self

    def __len__(self) -> int:
        return self.rows

    effort_for = Segment.effort_for
    largest_effort = Segment.largest_effort


def strategy(
    allowed: int,
    *,
    rows: int = 100_000,
    kind: str = "graph",
    k: int = 10,
    recall: float | None = 0.93,
    exact: bool = False,
    curve: tuple[EffortPoint, ...] = CURVE,
) -> tuple[str, int]:
    chosen = choose_strategy(cast(Segment, Sized(rows, kind, curve)), allowed, k, recall, exact=exact)
    return str(chosen), chosen.effort


def test_nothing_allowed_is_skipped() -> None:
    assert strategy(0) == ("skip", 0)
    assert strategy(0, exact=True) == ("skip", 0)


def test_exact_searches_scan() -> None:
    assert strategy(100_000, exact=True) == ("scan", 0)
    assert strategy(99_999, exact=True) == ("masked-scan", 0)


def test_flat_segments_are_scanned() -> None:
    assert strategy(100_000, kind="flat") == ("scan", 0)


@pytest.mark.parametrize(
    ("recall", "effort"), [(0.5, 10), (0.66, 10), (0.67, 64), (0.93, 64), (0.94, 128), (None, 128)]
)
def test_the_cheapest_effort_that_was_measured_to_reach_the_recall(recall: float | None, effort: int) -> None:
    assert DEFAULT_RECALL == 0.98
    assert strategy(100_000, recall=recall) == ("graph", effort)


def test_without_a_wish_a_walk_does_its_best() -> None:
    curve = (EffortPoint(64, 0.8, 1e-4), EffortPoint(128, 0.9, 2e-4))
    assert strategy(100_000, recall=None, curve=curve) == ("graph", 128)
    assert strategy(100_000, recall=0.95, curve=curve) == ("scan", 0)


def test_a_recall_that_was_never_reached_is_scanned() -> None:
    assert strategy(100_000, recall=0.995) == ("scan", 0)
    assert strategy(100_000, recall=0.5, curve=()) == ("scan", 0)


def test_few_allowed_rows_are_scanned() -> None:
    assert strategy(16_384) == ("masked-scan", 0)
    assert strategy(16_385)[0] == "masked-graph"
    assert strategy(60_000, rows=1_000_000) == ("masked-scan", 0)
    assert strategy(60_001, rows=1_000_000)[0] == "masked-graph"
    assert strategy(10, k=10, rows=10) == ("scan", 0)


def test_a_graph_serves_a_small_segment_that_is_searched_whole() -> None:
    assert strategy(4_096, rows=4_096)[0] == "graph"


def test_the_index_itself_widens_a_masked_walk() -> None:
    efforts = [strategy(allowed)[1] for allowed in (100_000, 50_000, 25_000, 17_000)]
    assert efforts == [64, 64, 64, 64]


def test_effort_grows_with_k() -> None:
    assert strategy(100_000, k=1) == ("graph", 64)
    assert strategy(100_000, k=10) == ("graph", 64)
    assert strategy(100_000, k=100) == ("graph", 64 + 180)
    assert strategy(20_000, rows=100_000, k=1_000)[1] == 64 + 1_980


def test_certainty_is_a_scan() -> None:
    assert strategy(100_000, recall=1.0) == ("scan", 0)
