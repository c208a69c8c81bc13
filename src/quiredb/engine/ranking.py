"""One ranking out of those of a view's parts, by (distance, chunk id)."""

from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import NamedTuple


class RankedRows(NamedTuple):
    """Found rows, nearest first, as columns: a search makes no object for each of them."""

    distances: list[float]
    rows: list[int]
    document_keys: list[int]

    def first(self, count: int) -> "RankedRows":
        """At most the `count` nearest."""
        if len(self.rows) <= count:
            return self
        return RankedRows(self.distances[:count], self.rows[:count], self.document_keys[:count])


NOTHING = RankedRows([], [], [])


class PartRanking(NamedTuple):
    """What one part found, by (distance, chunk id). `chunk_id` tells that of the row at a place of the columns.

    Ids are asked for only where distances do not decide: reading one costs more than ranking it.
    """

    found: RankedRows
    chunk_id: Callable[[int], str]


def merged(parts: Iterable[PartRanking], k: int) -> RankedRows:
    """The first k rows of all parts."""
    filled = [part for part in parts if part.found.rows]
    if not filled:
        return NOTHING
    if len(filled) == 1:
        return filled[0].found.first(k)
    near = sorted(
        (distance, number, place)
        for number, part in enumerate(filled)
        for place, distance in enumerate(part.found.distances)
    )
    if any(one == other for (one, *_), (other, *_) in pairwise(near[: k + 1])):
        named = sorted((distance, filled[number].chunk_id(place), number, place) for distance, number, place in near)
        near = [(distance, number, place) for distance, _, number, place in named]
    first = near[:k]
    return RankedRows(
        [distance for distance, _, _ in first],
        [filled[number].found.rows[place] for _, number, place in first],
        [filled[number].found.document_keys[place] for _, number, place in first],
    )
