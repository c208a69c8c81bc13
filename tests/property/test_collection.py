"""A collection under random writes, seals and merges, against a plain twin: now and at every view still held."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from quiredb.domain.filter_parsing import parse_filter
from quiredb.domain.metric import Metric
from quiredb.engine.batch_searching import NearestToEach, search_view_for_each
from quiredb.engine.building import Progress, RowRange, SegmentContents, build_segment, collect
from quiredb.engine.collection import Collection
from quiredb.engine.documents import DocumentTable
from quiredb.engine.fresh import FreshBuffer, contents_of
from quiredb.engine.index_choice import IndexPlan
from quiredb.engine.searching import Nearest, Ranking, matching_in_id_order, metric_name, search_view
from quiredb.engine.segment import SegmentHeader, open_segment_arrays
from quiredb.engine.view import View, allowed_rows, merged_contents, rows_of
from tests.unit.engine.twin import DIMENSION, NEVER, Twin

QUIET = Progress(report=lambda _: None, cancelled=lambda: False)
GRAPH = IndexPlan("graph", {"degree": 8, "build_effort": 24})
FILTERS = [
    None,
    *map(
        parse_filter,
        (
            {"page": {"lt": 3}},
            {"tags": {"contains": "odd"}, "text": {"ne": "red"}},
            {"doc.title": "title 1"},
            {"or": [{"doc.title": {"in": ["title 0", "title 2"]}}, {"not": {"page": {"between": [2, 7]}}}]},
            {"attributes.n": {"gt": 20}},
            {"id": {"gt": "chunk-01000"}, "doc.id": {"ne": "document-2"}},
            {"page": 99},
        ),
    ),
]


@dataclass
class Build:
    """A segment that was built and waits to be swapped in."""

    removed: list[str]
    header: SegmentHeader
    arrays: Mapping[str, NDArray[Any]]


class Walk:
    """One random history."""

    def __init__(self, seed: int, metric: Metric) -> None:
        self.random = random.Random(seed)
        self.twin = Twin(self.random, metric)
        self.collection = Collection(self.twin.library, [], FreshBuffer(DIMENSION), DocumentTable(), {})
        self.held: list[View] = []
        self.seal: Build | None = None
        self.merge: Build | None = None
        self.documents: DocumentTable | None = None
        self.named = 0
        self.happened: set[str] = set()

    def write(self) -> None:
        changes = [
            self.twin.change(self.random.choice([0, 1, 3, 40]), self.random.choice([0, 0, 1, 5, 30]))
            for _ in range(self.random.choice([1, 1, 3]))
        ]
        self.collection.apply(changes)

    def hold(self) -> None:
        self.held.append(self.collection.view)

    def let_go(self) -> None:
        if self.held:
            self.held.pop(self.random.randrange(len(self.held)))

    def begin_seal(self) -> None:
        view = self.collection.view
        if self.seal is None and len(view.fresh):
            low = max((part.segment.header.high_row for part in view.segments), default=0)
            high = int(view.fresh.rows[-1])
            self.seal = self._build(view, low, high, [], self._contents(low, high, contents_of(view.fresh)))

    def end_seal(self) -> None:
        if self.seal is not None:
            self._swap("seal", self.seal)
            self.seal = None

    def begin_merge(self) -> None:
        view = self.collection.view
        if self.merge is not None or not view.segments:
            return
        first = self.random.randrange(len(view.segments))
        parts = view.segments[first : self.random.randint(first + 1, len(view.segments))]
        low, high = parts[0].segment.header.low_row, parts[-1].segment.header.high_row
        contents = self._contents(low, high, merged_contents(parts))
        self.merge = self._build(view, low, high, [part.segment.name for part in parts], contents)

    def end_merge(self) -> None:
        if self.merge is not None:
            self._swap("merge", self.merge)
            self.merge = None

    def begin_documents(self) -> None:
        if self.documents is None:
            self.collection.begin_documents()
            self.documents = DocumentTable.of([self.twin.document_rows(self.twin.position)])

    def end_documents(self) -> None:
        if self.documents is not None:
            self.collection.replace_documents(self.documents)
            self.documents = None
            self.happened.add("documents")

    def sweep(self) -> None:
        before = len(self.collection.view.fresh)
        self.collection.sweep_fresh()
        if len(self.collection.view.fresh) < before:
            self.happened.add("sweep while a seal is built" if self.seal else "sweep")

    def load_again(self) -> None:
        """As after a restart, but with views held and builds under way."""
        view, position = self.collection.view, self.twin.position
        sealed = max((part.segment.header.high_row for part in view.segments), default=0)
        fresh = FreshBuffer(DIMENSION)
        fresh.extend(self.twin.rows_between(sealed, NEVER, position))
        documents = DocumentTable.of([self.twin.document_rows(position)])
        segments = [part.segment for part in view.segments]
        loaded = Collection(view.library, segments, fresh, documents, view.attribute_kinds)
        loaded.mark_dead(self.twin.died_since(0))
        loaded.republish()
        self.collection.take_over(loaded)
        self.happened.add("load while a seal is built" if self.seal else "load")

    def _contents(self, low: int, high: int, from_memory: SegmentContents) -> SegmentContents:
        """Contents made from memory, or from the rows of the store: both hold the same rows."""
        rows = self.twin.rows_between(low, high, self.collection.view.position)
        from_rows = collect([rows[:50], rows[50:]], DIMENSION, QUIET)
        for name in ("rows", "document_keys", "vectors"):
            np.testing.assert_array_equal(getattr(from_memory, name), getattr(from_rows, name))
        return from_memory if self.random.random() < 0.7 else from_rows

    def _build(self, view: View, low: int, high: int, removed: list[str], contents: SegmentContents) -> Build:
        plan = GRAPH if len(contents.rows) > 50 and self.random.random() < 0.2 else IndexPlan("flat", {})
        span = RowRange(low, high, view.position)
        header, arrays = build_segment(contents, span, metric_name(self.twin.library.metric), plan, QUIET)
        for array in arrays.values():
            array.flags.writeable = False
        return Build(removed, SegmentHeader.from_json(header.as_json()), arrays)

    def _swap(self, what: str, build: Build) -> None:
        self.named += 1
        segment = open_segment_arrays(f"segment-{self.named}", build.header, build.arrays, 0)
        before = self.collection.view
        self.collection.replace_segments(build.removed, segment, self.twin.died_since(build.header.position))
        added = next(part for part in self.collection.view.segments if part.segment is segment)
        self.happened |= {what, f"{what} with deaths since" if added.dead_count else what, segment.index.kind}
        assert self.collection.view.position == before.position

    def check(self) -> None:
        self.check_view(self.collection.view)
        if self.held:
            self.check_view(self.random.choice(self.held))
        oldest = min([self.collection.view.position, *(view.position for view in self.held)])
        assert self.collection.horizon() == oldest

    def check_view(self, view: View) -> None:
        position = view.position
        alive = self.twin.alive(position)
        assert sorted(rows_of(view, allowed_rows(view, None, self.twin.texts)).tolist()) == [row.row for row in alive]
        assert view.library.chunk_count == len(alive)
        filter_ = self.random.choice(FILTERS)
        matching = self.twin.matching(filter_, position)
        allowed = allowed_rows(view, filter_, self.twin.texts)
        assert allowed.count == len(matching)
        assert sorted(rows_of(view, allowed).tolist()) == [row.row for row in matching]
        after = self.random.choice([None, "chunk-01000", f"chunk-{self.random.randrange(2_000):05d}", "zzz"])
        listed = list(matching_in_id_order(view, filter_, after, self.twin.texts))
        ids = sorted((row.chunk.id, row.row) for row in matching)
        assert listed == [pair for pair in ids if after is None or pair[0] > after]

        query = np.array([self.random.randint(-2, 2) for _ in range(DIMENSION - 1)] + [1], np.float32)
        k = self.random.choice([1, 5, 30, len(matching), len(matching) + 7]) or 1
        ranking = search_view(view, Nearest(query, k, exact=True), filter_, self.twin.texts)
        by_row = {row.row: row for row in matching}
        found = [
            (distance, by_row[row].chunk.id)
            for distance, row in zip(ranking.found.distances, ranking.found.rows, strict=True)
        ]
        expected = self.twin.nearest(query, matching)[:k]
        if self.twin.library.metric is Metric.COSINE:
            assert [distance for distance, _ in found] == pytest.approx(
                [distance for distance, _ in expected], abs=1e-9
            )
        else:
            assert found == expected
        assert (ranking.plan.matching, ranking.plan.total) == (len(matching), len(alive))
        queries = np.stack([query, self.random.choice([1, -1]) * query[::-1]])
        together = search_view_for_each(view, NearestToEach(queries, k, exact=True), filter_, self.twin.texts)
        alone = [search_view(view, Nearest(one, k, exact=True), filter_, self.twin.texts) for one in queries]
        assert [_without_times(one) for one in together] == [_without_times(one) for one in alone]
        columns = (ranking.found.rows, ranking.found.document_keys, ranking.found.distances)
        for number, document_key, distance in zip(*columns, strict=True):
            row = by_row[number]
            assert document_key == row.document_key
            assert distance == pytest.approx(self.twin.distance(query, row), abs=1e-9)


def _without_times(ranking: Ranking) -> Ranking:
    return dataclasses.replace(ranking, plan=dataclasses.replace(ranking.plan, filter_seconds=0))


@pytest.mark.parametrize("metric", list(Metric))
@pytest.mark.parametrize("seed", range(2))
def test_every_view_answers_as_the_twin_did_at_its_position(metric: Metric, seed: int) -> None:
    walk = Walk(seed, metric)
    steps = [
        *[walk.write] * 6,
        walk.hold,
        walk.hold,
        walk.let_go,
        walk.begin_seal,
        walk.end_seal,
        walk.begin_merge,
        walk.end_merge,
        walk.begin_documents,
        walk.end_documents,
        walk.sweep,
        walk.load_again,
    ]
    for _ in range(140):
        walk.random.choice(steps)()
        walk.check()
    for view in walk.held:
        walk.check_view(view)
    assert {"seal", "merge", "seal with deaths since", "merge with deaths since", "documents"} <= walk.happened
    assert {"load", "load while a seal is built"} <= walk.happened
    assert any(view.position < walk.twin.position for view in walk.held)


def test_ties_are_broken_by_chunk_id_across_fresh_rows_and_segments() -> None:
    walk = Walk(0, Metric.L2)
    for _ in range(6):
        walk.collection.apply([walk.twin.change(60, 0)])
        if walk.twin.position % 2:
            walk.begin_seal()
            walk.end_seal()
    view = walk.collection.view
    assert len(view.segments) == 3
    assert len(view.fresh)
    query = np.zeros(DIMENSION, np.float32)
    alive = walk.twin.alive(view.position)
    ids = {row.row: row.chunk.id for row in alive}
    for k in range(1, 120):
        ranking = search_view(view, Nearest(query, k), None, walk.twin.texts)
        named = [ids[row] for row in ranking.found.rows]
        assert list(zip(ranking.found.distances, named, strict=True)) == walk.twin.nearest(query, alive)[:k]


def test_a_segment_of_no_rows_is_harmless() -> None:
    """All rows of the buffer died before it was sealed."""
    walk = Walk(1, Metric.COSINE)
    walk.collection.apply([walk.twin.change(3, 0)])
    walk.collection.apply([walk.twin.change(0, 3)])
    walk.begin_seal()
    walk.end_seal()
    assert [len(part.segment) for part in walk.collection.view.segments] == [0]
    walk.check()
    walk.collection.apply([walk.twin.change(10, 0)])
    walk.check()
    walk.begin_seal()
    walk.end_seal()
    walk.begin_merge()
    walk.end_merge()
    walk.check()


def test_the_mask_of_the_living_is_made_once_for_all_searches_and_never_written() -> None:
    walk = Walk(2, Metric.COSINE)
    walk.collection.apply([walk.twin.change(30, 0)])
    walk.begin_seal()
    walk.end_seal()
    walk.collection.apply([walk.twin.change(0, 3)])
    view = walk.collection.view
    (once, count), (again, _) = (allowed_rows(view, None, walk.twin.texts).segments[0] for _ in range(2))
    assert once is again and once is not None and not once.flags.writeable
    assert int(once.sum()) == count == 27
    walk.collection.apply([walk.twin.change(2, 0)])
    assert allowed_rows(walk.collection.view, None, walk.twin.texts).segments[0][0] is once
    walk.collection.apply([walk.twin.change(0, 2)])
    assert allowed_rows(view, None, walk.twin.texts).segments[0][0] is once
