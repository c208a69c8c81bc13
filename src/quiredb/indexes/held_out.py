"""What an index is measured with: own rows that it must not know, and masks of every kind a filter can make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from quiredb.indexes.contract import Distances, IndexStructure, Mask, Rows, Vectors
from quiredb.indexes.exact import exact_distances
from quiredb.indexes.flat import FlatIndex
from quiredb.indexes.graph import GraphIndex
from quiredb.indexes.graph_held_out import without_rows

QUERIES = 300
MASKED_QUERIES = 128
"""Queries for each kind of mask."""

_KNOWN = 128
"""Nearest rows that are kept of each query: under a mask they tell the truth, unless it leaves too few of them."""
_PIVOTS = 4
_SHARE_HELD = 0.1
"""At most this share of the rows is held out."""
_AROUND = 0.75
"""Share of the queries of a pivot that lie around it; the rest lie anywhere."""


@dataclass(frozen=True, slots=True)
class Questions:
    """Queries, float32[m, d], and their nearest rows, padded: int64[m, 128] and float64[m, 128]."""

    queries: Vectors
    rows: Rows
    distances: Distances


@dataclass(frozen=True, slots=True)
class Sample:
    """Some of the questions, int64[j]; rows that count as answers; rows that searches are told to find (None: all)."""

    members: Rows
    answers: Mask | None
    mask: Mask | None

    def every(self, step: int) -> Sample:
        """One in `step` of the questions."""
        return Sample(self.members[::step], self.answers, self.mask)


@dataclass(frozen=True, slots=True)
class HeldOut:
    """An index as if some of its rows were absent, and these rows as questions.

    rows: int64[m]; present: bool[n], false where a row is held out.
    """

    flat: FlatIndex
    structure: IndexStructure
    rows: Rows
    present: Mask
    questions: Questions

    def plain(self) -> Sample:
        """All questions without a filter: everything but the held-out rows themselves may be found."""
        unreachable = isinstance(self.structure, GraphIndex)
        return Sample(np.arange(len(self.rows)), self.present, None if unreachable else self.present)

    def orders(self, random: np.random.Generator) -> list[Rows]:
        """All rows by their distance from each of some pivots, int64[n] each. O(n d + n log n)."""
        everything = np.arange(self.flat.count)
        pivots = random.choice(self.rows, min(_PIVOTS, len(self.rows)), replace=False)
        return [np.argsort(_distances(self.flat, int(pivot), everything), kind="stable") for pivot in pivots]

    def masked(
        self, share: float, orders: Sequence[Rows], random: np.random.Generator
    ) -> tuple[tuple[Sample, ...], ...]:
        """Samples of each kind while a share of the rows is allowed: at random, around pivots, far from pivots."""
        allowed = int(share * self.flat.count)
        anywhere: Mask = (random.random(self.flat.count) < share) & self.present
        chosen = random.choice(len(self.rows), min(MASKED_QUERIES, len(self.rows)), replace=False)
        return (
            (Sample(chosen, anywhere, anywhere),),
            tuple(self._around(order, order[:allowed], random) for order in orders),
            tuple(self._around(order, order[len(order) - allowed :], random) for order in orders),
        )

    def _around(self, order: Rows, allowed: Rows, random: np.random.Generator) -> Sample:
        """Questions most of which lie around the first row of `order`."""
        count = min(MASKED_QUERIES // _PIVOTS, len(self.rows))
        places = np.empty(len(order), np.int64)
        places[order] = np.arange(len(order))
        near = np.argsort(places[self.rows])[: int(_AROUND * count)]
        members = np.concatenate((near, random.integers(0, len(self.rows), count - len(near))))
        mask = np.zeros(self.flat.count, np.bool_)
        mask[allowed] = True
        mask[self.rows] = False
        return Sample(members, mask, mask)


def hold_out(flat: FlatIndex, structure: IndexStructure, random: np.random.Generator) -> HeldOut:
    """Hold out some rows of an index. O(n degree) and an exact search for each."""
    free = np.ones(flat.count, np.bool_)
    if isinstance(structure, GraphIndex):
        free[structure.entries] = False
    candidates = np.flatnonzero(free)
    count = min(QUERIES, max(1, int(_SHARE_HELD * flat.count)), len(candidates))
    rows = np.sort(random.choice(candidates, count, replace=False))
    present = np.ones(flat.count, np.bool_)
    present[rows] = False
    absent = without_rows(structure, rows) if isinstance(structure, GraphIndex) else structure
    return HeldOut(flat, absent, rows, present, ask(flat, flat.vectors[rows], present))


def ask(flat: FlatIndex, queries: Vectors, answers: Mask | None) -> Questions:
    """Queries with their true answers."""
    return Questions(queries, *flat.search_batch(queries, min(_KNOWN, flat.count), mask=answers))


def truths(flat: FlatIndex, questions: Questions, members: Rows, answers: Mask | None, k: int) -> list[Distances]:
    """The distances of the true nearest of some of the questions, ascending: at most k each."""
    known, distances = questions.rows[members], questions.distances[members]
    counted = known >= 0 if answers is None else (answers[known] != 0) & (known >= 0)
    found = [near[mask][:k] for near, mask in zip(distances, counted, strict=True)]
    lacking = np.flatnonzero((counted.sum(axis=1) < k) & (known[:, -1] >= 0))
    if lacking.size:
        nearest = flat.search_batch(questions.queries[members[lacking]], k, mask=answers)[1]
        for number, near in zip(lacking.tolist(), nearest, strict=True):
            found[number] = near[near < np.inf]
    return found


def _distances(flat: FlatIndex, row: int, rows: Rows) -> Distances:
    return exact_distances(flat.vectors[row], flat.vectors, rows, flat.metric)
