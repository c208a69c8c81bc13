"""Background work: sealing, merging, rebuilding, purging, and what happens when it is cancelled or its library goes."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from quiredb.domain.changes import Change
from quiredb.domain.commands import ConfigureLibrary, DeleteDocument, PutDocument
from quiredb.domain.filter_parsing import parse_filter
from quiredb.domain.indexing import JobState
from quiredb.domain.library import IndexKind, IndexSpec
from quiredb.domain.metadata import DocumentMetadata, LibraryMetadata
from quiredb.engine.collection import Collection
from quiredb.engine.documents import DocumentTable
from quiredb.engine.index_choice import FORCED_ROWS
from quiredb.engine.merging import SEAL_ROWS
from quiredb.engine.view import allowed_rows
from quiredb.indexes import ivf_build
from quiredb.repositories import segments
from quiredb.repositories.index_state import describe_index, describe_library
from quiredb.repositories.open_library import OpenLibrary
from tests.unit.engine.rows import START
from tests.unit.repositories.libraries import (
    Held,
    assert_finds,
    batch,
    creation,
    delete,
    fill,
    opened,
    put,
    rebuild,
    segment_names,
    settle,
    wait_until,
)


def choose(library: OpenLibrary, kind: IndexKind) -> None:
    library.submit(ConfigureLibrary(LibraryMetadata(), IndexSpec(kind), None, START))


def test_a_full_buffer_is_sealed_and_segments_are_merged(tmp_path: Path) -> None:
    with opened(tmp_path) as repository:
        library, _ = repository.create(creation())
        fill(library, range(SEAL_ROWS - 1))
        settle(repository, library)
        assert segment_names(library) == []
        for round_ in range(1, 4):
            fill(library, range(round_ * SEAL_ROWS - 1, (round_ + 1) * SEAL_ROWS - 1))
            settle(repository, library)
            assert 1 <= len(library.view().segments) <= 2
            assert len(library.view().fresh) < SEAL_ROWS
        records = library.store.segments()
        assert [record.name for record in records] == segment_names(library)
        assert {path.name for path in library.store.segment_path("x").parent.iterdir()} == set(segment_names(library))
        assert_finds(library, set(range(4 * SEAL_ROWS - 1)))
        index = describe_index(library, repository.housekeeping)
        assert (index.building, index.progress) == (False, 1.0)


def test_dead_rows_are_rewritten_away_purged_and_their_bytes_given_back(tmp_path: Path) -> None:
    with opened(tmp_path) as repository:
        library, _ = repository.create(creation())
        fill(library, range(SEAL_ROWS))
        settle(repository, library)
        before = describe_library(library, repository.housekeeping)
        held = library.view()
        for start in range(0, SEAL_ROWS // 2, 500):
            library.submit(batch(*map(delete, range(start, min(start + 500, SEAL_ROWS // 2)))))
        wait_until(lambda: len(library.view().segments[0].segment) < 0.8 * SEAL_ROWS, "the dead are rewritten away")
        assert library.collection.horizon() == held.position
        rows = held.segments[0].segment.rows.tolist()
        assert len(library.store.chunks_by_row(rows)) == SEAL_ROWS, "purged what a held view sees"
        del held
        library.submit(batch(delete(SEAL_ROWS - 1)))
        settle(repository, library)
        assert not library.store.has_dead_versions()
        assert len(library.store.chunks_by_row(rows)) == SEAL_ROWS // 2 - 1
        after = describe_library(library, repository.housekeeping)
        assert (before.chunk_count, after.chunk_count) == (SEAL_ROWS, SEAL_ROWS // 2 - 1)
        assert after.disk_bytes < before.disk_bytes * 0.75
        assert_finds(library, set(range(SEAL_ROWS // 2, SEAL_ROWS - 1)))


def test_a_rebuild_follows_the_specification(tmp_path: Path) -> None:
    with opened(tmp_path) as repository:
        library, _ = repository.create(creation())
        count = FORCED_ROWS + 100
        fill(library, range(count))
        choose(library, IndexKind.GRAPH)
        rebuild(repository, library)
        (part,) = library.view().segments
        assert (part.segment.index.kind, len(part.segment), len(library.view().fresh)) == ("graph", count, 0)
        assert max(point.recall for point in part.segment.index.measured.curves[0].points) >= 0.95
        assert_finds(library, set(range(count)))
        choose(library, IndexKind.FLAT)
        rebuild(repository, library)
        assert [part.segment.index.kind for part in library.view().segments] == ["flat"]
        assert_finds(library, set(range(count)))


def test_lists_are_kept_when_a_segment_is_rewritten_and_made_anew_on_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clustered: list[int] = []
    cluster = ivf_build.cluster
    monkeypatch.setattr(ivf_build, "cluster", lambda *given: clustered.append(1) or cluster(*given))
    with opened(tmp_path) as repository:
        library, _ = repository.create(creation())
        fill(library, range(2 * FORCED_ROWS))
        choose(library, IndexKind.IVF)
        rebuild(repository, library)
        assert [part.segment.index.kind for part in library.view().segments] == ["ivf"]
        clustered.clear()
        library.submit(batch(*map(delete, range(500))))
        settle(repository, library)
        (part,) = library.view().segments
        assert (part.segment.index.kind, len(part.segment), clustered) == ("ivf", 1_500, [])
        assert_finds(library, set(range(500, 2 * FORCED_ROWS)))
        rebuild(repository, library)
        assert clustered


def test_a_worn_table_of_documents_is_built_again(tmp_path: Path) -> None:
    """Most document versions are of documents that are gone; `doc.` conditions should not pay for them."""
    with opened(tmp_path) as repository:
        library, _ = repository.create(creation())
        names = [f"document-{number:04d}" for number in range(4_200)]
        for start in range(0, len(names), 700):
            part = names[start : start + 700]
            library.submit(batch(*(PutDocument(name, DocumentMetadata(title="gone")) for name in part)))
        library.submit(batch(*map(put, range(10))))
        for start in range(0, len(names), 700):
            library.submit(batch(*map(DeleteDocument, names[start : start + 700])))
        library.submit(batch(PutDocument("document", DocumentMetadata(title="kept")), delete(0)))
        settle(repository, library)
        view = library.view()
        assert len(view.documents.keys) < 100
        allowed = allowed_rows(view, parse_filter({"doc.title": "kept"}), library.texts)
        assert allowed.count == 9


def test_rebuilding_an_empty_library_succeeds(tmp_path: Path) -> None:
    with opened(tmp_path) as repository:
        library, _ = repository.create(creation())
        rebuild(repository, library)
        assert segment_names(library) == []


def test_requests_to_rebuild_share_a_job_that_has_not_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(tmp_path) as repository:
        library, _ = repository.create(creation())
        other, _ = repository.create(creation("other"))
        fill(library, range(FORCED_ROWS))
        held = Held(monkeypatch)
        begun = repository.housekeeping.rebuild(library)
        assert held.reached.wait(30)
        first = repository.housekeeping.rebuild(library)
        assert repository.housekeeping.rebuild(other).id not in {begun.id, first.id}
        choose(library, IndexKind.GRAPH)
        assert repository.housekeeping.rebuild(library).id == first.id != begun.id
        repository.jobs.cancel(first.id)
        last = repository.housekeeping.rebuild(library)
        assert last.id not in {begun.id, first.id}
        held.go.set()
        wait_until(lambda: repository.jobs.get(last.id).state is JobState.SUCCEEDED, "the last rebuild ends")
        assert [part.segment.index.kind for part in library.view().segments] == ["graph"]
        assert repository.jobs.get(first.id).state is JobState.CANCELLED


def test_a_rebuild_cancelled_before_it_begins_reads_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(tmp_path) as repository:
        library, _ = repository.create(creation())
        fill(library, range(500))
        rebuild(repository, library)
        other, _ = repository.create(creation("other"))
        fill(other, range(10))
        held = Held(monkeypatch)
        repository.housekeeping.rebuild(other)
        assert held.reached.wait(30)
        read: list[str] = []
        is_whole = segments._is_whole
        monkeypatch.setattr(segments, "_is_whole", lambda *asked: read.append(asked[0].id) or is_whole(*asked))
        repository.jobs.cancel(repository.housekeeping.rebuild(library).id)
        held.go.set()
        settle(repository, library)
        settle(repository, other)
        assert "library" not in read


def test_a_table_of_documents_begun_before_a_reload_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The change that could not be applied is not among those remembered for the new table."""

    def fails(collection: Collection, changes: Sequence[Change]) -> None:
        raise ZeroDivisionError

    with opened(tmp_path) as repository:
        library, _ = repository.create(creation())
        library.submit(batch(PutDocument("document", DocumentMetadata(title="old")), put(1)))
        with library.exclusively():
            library.collection.begin_documents()
        table = DocumentTable.of(library.store.live_document_rows(library.view().position))
        with monkeypatch.context() as patched:
            patched.setattr(Collection, "apply", fails)
            library.submit(batch(PutDocument("document", DocumentMetadata(title="new"))))
        with library.exclusively():
            library.collection.replace_documents(table)
        for title, count in (("new", 1), ("old", 0)):
            assert allowed_rows(library.view(), parse_filter({"doc.title": title}), library.texts).count == count


def test_the_statistics_of_a_library_do_not_wait_for_its_writer(tmp_path: Path) -> None:
    with opened(tmp_path) as repository:
        library, _ = repository.create(creation())
        fill(library, range(10))
        settle(repository, library)
        with library.writer, ThreadPoolExecutor(1) as pool:
            asked = pool.submit(describe_library, library, repository.housekeeping)
            assert asked.result(30).chunk_count == 10
