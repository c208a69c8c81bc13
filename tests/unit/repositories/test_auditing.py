"""The background audit of recall: what is recorded, when it is repeated, what follows from it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from quiredb.domain.errors import ValidationFailed
from quiredb.domain.filter_parsing import parse_filter
from quiredb.domain.library import IndexKind
from quiredb.domain.times import now
from quiredb.engine.batch_searching import NearestToEach
from quiredb.engine.merging import MergeRange
from quiredb.engine.recall import compare, estimate_recall
from quiredb.engine.searching import Nearest
from quiredb.indexes import vector_index_build
from quiredb.indexes.contract import IndexStructure
from quiredb.indexes.curve import EffortCurve, EffortPoint, Measured
from quiredb.indexes.flat import FlatIndex
from quiredb.repositories.auditing import keep_promises
from quiredb.repositories.auditor import JUDGED_MIN, Auditor, RecordedSearch
from quiredb.repositories.index_state import describe_library
from quiredb.repositories.libraries import LibraryRepository
from quiredb.repositories.open_library import OpenLibrary
from quiredb.repositories.segments import merge
from tests.unit.repositories.audited import ASKED, QUIET, ROWS, Floats, audit, filled, normal, search
from tests.unit.repositories.libraries import assert_no_bugs, batch, delete, neighbours, wait_until


def never() -> bool:
    return False


def boasting(flat: FlatIndex, structure: IndexStructure, *_: object) -> Measured:
    """Curves as no index has them: the least effort finds everything at once, and scans take a second."""
    point = EffortPoint(structure.efforts[0], 1.0, 1e-6)
    curves = tuple(EffortCurve(share, k, (point,)) for share in (1.0, 0.5) for k in (1, 10, 100))
    return Measured(curves, 1.0, ((1.0, 1.0),))


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[LibraryRepository]:
    """Every search is recorded; background work is driven by the tests."""
    opened = LibraryRepository.open(tmp_path, audit_share=1.0)
    yield opened
    opened.close()


@pytest.fixture(params=[IndexKind.GRAPH, IndexKind.IVF])
def boaster(
    request: pytest.FixtureRequest, repository: LibraryRepository, monkeypatch: pytest.MonkeyPatch
) -> OpenLibrary:
    """A library whose index promises far more than it gives."""
    monkeypatch.setattr(vector_index_build, "measure", boasting)
    return filled(repository, request.param)


def recall_of(library: OpenLibrary, queries: Floats) -> float:
    shares = [compare(library.view(), Nearest(query, 10, ASKED), None, library.texts).share for query in queries]
    return float(np.mean([share for share in shares if share is not None]))


def test_a_promise_that_is_not_kept_is_found_and_mended(boaster: OpenLibrary) -> None:
    assert recall_of(boaster, normal(200, seed=3)) < ASKED, "the planted curve does no harm"
    search(boaster, normal(JUDGED_MIN + 50, seed=2))
    audit(boaster)
    report = boaster.auditor.report
    assert report is not None
    ((asked, found),) = report.by_asked
    assert (asked, found.queries) == (ASKED, JUDGED_MIN + 50)
    assert found == report.overall
    assert found.low <= found.recall <= found.high < ASKED
    position, names = boaster.view().position, [part.segment.name for part in boaster.view().segments]

    keep_promises(boaster, never)
    assert recall_of(boaster, normal(200, seed=3)) >= ASKED
    assert (boaster.view().position, [part.segment.name for part in boaster.view().segments]) == (position, names)
    mended = boaster.auditor.report
    assert mended is not None and mended.remeasured_at is not None
    search(boaster, normal(JUDGED_MIN + 50, seed=4))
    audit(boaster)
    again = boaster.auditor.report
    assert again is not None
    assert (again.overall.queries, again.remeasured_at) == (JUDGED_MIN + 50, mended.remeasured_at)
    assert again.overall.low >= ASKED
    assert boaster.auditor.broken_for() is None


def test_the_dead_stay_dead_in_a_segment_that_was_measured_again(boaster: OpenLibrary) -> None:
    boaster.submit(batch(*map(delete, range(100))))
    search(boaster, normal(JUDGED_MIN, seed=2))
    audit(boaster)
    keep_promises(boaster, never)
    view = boaster.view()
    assert [part.dead_count for part in view.segments] == [100]
    assert "chunk-000007" not in neighbours(boaster, normal(ROWS, seed=1)[7])


def test_the_last_thousand_results_count() -> None:
    auditor = Auditor(1.0)
    random = np.random.default_rng(1)
    results = [(float(random.choice([0.9, 0.95])), int(random.integers(1, 4)) / 4) for _ in range(1_500)]
    results[:100] = [(0.5, 0.0)] * 100
    for asked, share in results:
        auditor.judged(RecordedSearch(Nearest(np.zeros(2, np.float32), 4, asked), None), share, now())
    report = auditor.report
    assert report is not None
    assert report.overall == estimate_recall(Counter((share, 4) for _, share in results[-1_000:]))
    assert list(report.by_asked) == [
        (asked, estimate_recall(Counter((share, 4) for one, share in results[-1_000:] if one == asked)))
        for asked in (0.9, 0.95)
    ]


def test_later_segments_are_measured_with_the_queries_that_were_hard(boaster: OpenLibrary) -> None:
    search(boaster, normal(JUDGED_MIN + 50, seed=2))
    audit(boaster)
    keep_promises(boaster, never)
    boaster.submit(batch(*map(delete, range(1_000))))
    merge(boaster, MergeRange(0, 1), QUIET)
    (part,) = boaster.view().segments
    assert (len(part.segment), part.segment.index.kind != "flat") == (ROWS - 1_000, True)
    assert recall_of(boaster, normal(200, seed=3)) >= ASKED


def test_few_searches_prove_nothing(boaster: OpenLibrary) -> None:
    search(boaster, normal(JUDGED_MIN - 1, seed=2))
    audit(boaster)
    before = boaster.view().segments
    keep_promises(boaster, never)
    assert boaster.view().segments == before
    assert boaster.auditor.hard_queries is None


def test_a_promise_that_is_kept_changes_nothing(repository: LibraryRepository) -> None:
    library = filled(repository, IndexKind.GRAPH)
    before = library.view().segments
    search(library, normal(JUDGED_MIN, seed=2))
    search(library, normal(JUDGED_MIN, seed=3), None, page={"lt": 5})
    audit(library)
    keep_promises(library, never)
    assert library.view().segments == before
    report = library.auditor.report
    assert report is not None
    assert [(asked, found.queries) for asked, found in report.by_asked] == [(ASKED, JUDGED_MIN), (0.98, JUDGED_MIN)]
    stats = describe_library(library, repository.housekeeping)
    assert (stats.audit, stats.recall) == (report, report.overall.recall)
    library.measured_recall = 0.5
    assert describe_library(library, repository.housekeeping).recall == 0.5


def test_a_share_of_the_searches_is_picked_by_chance() -> None:
    chances = iter([0.3, 0.01, 0.25, 0.9, 0.2499])
    assert [Auditor(0.25, lambda: next(chances)).picks() for _ in range(5)] == [False, True, False, False, True]
    assert not any(Auditor(0.0).picks() for _ in range(1000))
    assert all(Auditor(1.0).picks() for _ in range(1000))


def test_no_rhythm_of_searches_hides_from_the_audit() -> None:
    """Fifty queries that come round and round: a sample of every fiftieth would see one of them."""
    auditor = Auditor(0.02, random.Random(5).random)
    picked = {number % 50 for number in range(20_000) if auditor.picks()}
    assert picked == set(range(50))


def test_what_is_recorded_is_a_copy() -> None:
    auditor = Auditor(1.0)
    queries = normal(9, seed=1)
    for query in queries:
        auditor.record(Nearest(query, 10), None)
    before = queries.copy()
    queries[:] = 0
    for query in before:
        assert auditor.waits()
        search = auditor.next()
        assert search is not None
        np.testing.assert_array_equal(search.nearest.query, query)
    assert auditor.next() is None


def test_the_newest_searches_wait_and_exact_ones_do_not(repository: LibraryRepository) -> None:
    library = filled(repository, IndexKind.FLAT)
    view, queries = library.view(), normal(600, seed=1)
    library.search(view, Nearest(queries[0], 10, exact=True))
    assert not library.auditor.waits()
    with pytest.raises(ValidationFailed):
        library.search(view, Nearest(queries[0], 10), parse_filter({"attributes.number": "a text"}))
    assert not library.auditor.waits(), "a refused search is recorded"
    for start in range(0, 600, 200):
        library.search_for_each(view, NearestToEach(queries[start : start + 200], 10))
    kept = []
    while search := library.auditor.next():
        kept.append(search.nearest.query)
    np.testing.assert_array_equal(np.stack(kept), queries[600 - len(kept) :])
    assert 100 <= len(kept) < 600


def test_a_search_is_audited_without_being_asked(tmp_path: Path) -> None:
    repository = LibraryRepository.open(tmp_path, audit_share=1.0)
    try:
        library = filled(repository, IndexKind.FLAT)
        search(library, normal(3, seed=2))
        repository.start()
        wait_until(lambda: (report := library.auditor.report) is not None and report.overall.queries == 3, "an audit")
        assert_no_bugs(repository)
    finally:
        repository.close()
