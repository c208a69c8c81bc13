"""One ranking out of those of a view's parts, by (distance, chunk id)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from operator import attrgetter
from typing import NamedTuple


class RankedRow(NamedTuple):
    """A found row."""

    distance: float
    row: int
    document_key: int


@dataclass(frozen=True, slots=True)
class PartRanking:
    """What one part found, by (distance, chunk id). `chunk_id` tells that of the row at a place of `rows`.

    Ids are asked for only where distances do not decide: reading one costs more than ranking it.
    """

    rows: list[RankedRow]
    chunk_id: Callable[[int], str]


def merged(parts: Iterable[PartRanking], k: int) -> tuple[RankedRow, ...]:
    """The first k rows of all parts."""
    filled = [part for part in parts if part.rows]
    if len(filled) == 1:
        return tuple(filled[0].rows[:k])
    rows = sorted((row for part in filled for row in part.rows), key=attrgetter("distance"))
    if all(one.distance != other.distance for one, other in pairwise(rows[: k + 1])):
        return tuple(rows[:k])
    named = [(row.distance, part.chunk_id(place), row) for part in filled for place, row in enumerate(part.rows)]
    return tuple(row for _, _, row in sorted(named)[:k])
