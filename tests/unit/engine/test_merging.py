"""The merge policy as a pure function, and what it keeps true while a library grows and shrinks."""

from __future__ import annotations

import math
import random

import pytest

from quiredb.engine.merging import SEAL_ROWS, SEGMENT_ROWS_MAX, MergeRange, SegmentSize, choose_merge


def sizes(*living: int) -> list[SegmentSize]:
    return [SegmentSize(rows, 0) for rows in living]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (sizes(), None),
        (sizes(10), None),
        (sizes(1000, 100), None),
        (sizes(1000, 499), None),
        (sizes(1000, 500), MergeRange(0, 2)),
        (sizes(1000, 300, 200), MergeRange(0, 3)),
        (sizes(1000, 300, 100), None),
        (sizes(1000, 100, 100), MergeRange(1, 3)),
        (sizes(4000, 1000, 300, 300), MergeRange(1, 4)),
        (sizes(100, 5000, 5000), MergeRange(0, 3)),
        (sizes(SEGMENT_ROWS_MAX, SEGMENT_ROWS_MAX), None),
        (sizes(SEGMENT_ROWS_MAX, 10, 10), MergeRange(1, 3)),
        (sizes(SEGMENT_ROWS_MAX - 10, 1000, 1000), MergeRange(1, 3)),
        ([SegmentSize(1000, 199)], None),
        ([SegmentSize(1000, 300)], MergeRange(0, 1)),
        ([SegmentSize(10_000, 1_999)], None),
        ([SegmentSize(10_000, 2_000), SegmentSize(100, 0)], MergeRange(0, 1)),
        ([SegmentSize(100_000, 30_000), SegmentSize(9_000, 9_000)], MergeRange(0, 1)),
        ([SegmentSize(300, 300)], MergeRange(0, 1)),
    ],
)
def test_choices(found: list[SegmentSize], expected: MergeRange | None) -> None:
    assert choose_merge(found) == expected


def grown(seals: list[int]) -> tuple[list[int], int]:
    """Segment sizes after these seals with all merges done, and how many rows merges wrote."""
    segments: list[int] = []
    written = 0
    for rows in seals:
        segments.append(rows)
        while chosen := choose_merge(sizes(*segments)):
            merged = sum(segments[chosen.first : chosen.last])
            assert merged <= SEGMENT_ROWS_MAX
            written += merged
            segments[chosen.first : chosen.last] = [merged]
    return segments, written


@pytest.mark.parametrize("seed", range(5))
def test_few_segments_and_few_rewrites(seed: int) -> None:
    generator = random.Random(seed)
    seals = [generator.randint(SEAL_ROWS, 3 * SEAL_ROWS) for _ in range(200)]
    segments, written = grown(seals)
    total = sum(seals)
    assert sum(segments) == total
    doublings = math.log2(total / SEAL_ROWS)
    assert len(segments) <= doublings
    assert written <= 2 * doublings * total
    for number, rows in enumerate(segments):
        assert 2 * sum(segments[number + 1 :]) < rows


def test_a_library_of_many_largest_segments_is_left_alone() -> None:
    segments, _ = grown([SEGMENT_ROWS_MAX // 4] * 40)
    assert len(segments) <= 15
    assert max(segments) <= SEGMENT_ROWS_MAX
