"""Which segments to build next: a pure decision from their sizes.

Segments are adjacent row ranges, oldest first. Sizes are kept geometric: whenever the segments after one hold together
at least half as many living rows, they are merged with it. A row is thus rewritten O(log n) times, and a library of n
rows has O(log n) segments. A segment that lost a fifth of its rows is rewritten alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

SEAL_ROWS = 4_096
SEGMENT_ROWS_MAX = 4_000_000
HELD_BACK_SEGMENTS = 16
"""From so many on, searches should no longer wait for their merges until an import has ended."""
_DEAD_SHARE = 0.2
_DEAD_ROWS_MIN = 256


@dataclass(frozen=True, slots=True)
class SegmentSize:
    """Rows of a segment and how many of them died."""

    rows: int
    dead: int

    @property
    def living(self) -> int:
        """Rows that a rewrite would keep."""
        return self.rows - self.dead


@dataclass(frozen=True, slots=True)
class MergeRange:
    """Segments [first, last) that become one."""

    first: int
    last: int


def choose_merge(sizes: Sequence[SegmentSize]) -> MergeRange | None:
    """The next merge or rewrite, or None when all is well."""
    newer = 0
    for first in range(len(sizes) - 1, -1, -1):
        living = sizes[first].living
        if newer and 2 * newer >= living and newer + living <= SEGMENT_ROWS_MAX:
            return MergeRange(_widened(sizes, first, newer + living), len(sizes))
        newer += living
    return _most_dead(sizes)


def may_wait(chosen: MergeRange, sizes: Sequence[SegmentSize]) -> bool:
    """Whether a merge of sound segments may wait while rows come in: none of them is worn, and they are still few."""
    several = chosen.last - chosen.first > 1
    worn = any(is_worn(size.rows, size.dead) for size in sizes[chosen.first : chosen.last])
    return several and not worn and len(sizes) < HELD_BACK_SEGMENTS


def _widened(sizes: Sequence[SegmentSize], first: int, total: int) -> int:
    """Take older segments in too while they are not much larger: one build instead of several."""
    while first > 0 and 2 * total >= sizes[first - 1].living and total + sizes[first - 1].living <= SEGMENT_ROWS_MAX:
        first -= 1
        total += sizes[first].living
    return first


def _most_dead(sizes: Sequence[SegmentSize]) -> MergeRange | None:
    worn = [number for number, size in enumerate(sizes) if is_worn(size.rows, size.dead)]
    if not worn:
        return None
    worst = max(worn, key=lambda number: sizes[number].dead)
    return MergeRange(worst, worst + 1)


def is_worn(rows: int, dead: int) -> bool:
    """Whether so many rows died that rewriting pays."""
    return dead >= _DEAD_ROWS_MIN and dead >= _DEAD_SHARE * rows
