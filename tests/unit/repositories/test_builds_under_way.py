"""What may happen while an index is being built."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from quiredb.domain.errors import NotFound
from quiredb.domain.indexing import JobState
from quiredb.engine.merging import SEAL_ROWS
from quiredb.repositories.index_state import describe_index
from quiredb.repositories.libraries import LibraryRepository
from tests.unit.repositories.libraries import (
    Held,
    assert_finds,
    batch,
    creation,
    delete,
    fill,
    is_settled,
    opened,
    put,
    rebuild,
    segment_names,
    settle,
    wait_until,
)


def test_a_cancelled_rebuild_leaves_the_old_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(tmp_path) as repository:
        library, _ = repository.create(creation())
        fill(library, range(500))
        rebuild(repository, library)
        names = segment_names(library)
        held = Held(monkeypatch)
        job = repository.housekeeping.rebuild(library)
        assert held.reached.wait(30)
        wait_until(lambda: repository.jobs.get(job.id).state is JobState.RUNNING, "the job runs")
        assert describe_index(library, repository.housekeeping).building
        assert not is_settled(repository, library)
        queued = repository.housekeeping.rebuild(library)
        assert repository.jobs.cancel(queued.id).state is JobState.CANCELLED
        repository.jobs.cancel(job.id)
        held.go.set()
        wait_until(lambda: repository.jobs.get(job.id).state is JobState.CANCELLED, "the job is cancelled")
        settle(repository, library)
        assert segment_names(library) == names
        assert_finds(library, set(range(500)))


def test_writes_and_searches_go_on_while_an_index_is_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(tmp_path) as repository:
        library, _ = repository.create(creation())
        fill(library, range(600))
        held = Held(monkeypatch)
        job = repository.housekeeping.rebuild(library)
        assert held.reached.wait(30)
        library.submit(batch(*map(delete, range(0, 600, 2))))
        library.submit(batch(*map(put, range(600, 700)), *map(put, range(1, 100, 2))))
        expected = set(range(1, 600, 2)) | set(range(600, 700))
        assert_finds(library, expected)
        held.go.set()
        wait_until(lambda: repository.jobs.get(job.id).state is JobState.SUCCEEDED, "the rebuild ends")
        assert_finds(library, expected)


def test_a_library_can_go_while_its_index_is_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(tmp_path) as repository:
        library, _ = repository.create(creation())
        fill(library, range(600))
        held = Held(monkeypatch)
        job = repository.housekeeping.rebuild(library)
        queued = repository.housekeeping.rebuild(library)
        assert held.reached.wait(30)
        repository.delete("library")
        with pytest.raises(NotFound):
            repository.get("library")
        held.go.set()
        ended = {JobState.CANCELLED, JobState.FAILED}
        wait_until(lambda: {repository.jobs.get(one.id).state for one in (job, queued)} <= ended, "both jobs end")


def test_a_library_that_goes_while_its_rows_are_sealed_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with opened(tmp_path) as repository:
        library, _ = repository.create(creation())
        held = Held(monkeypatch)
        fill(library, range(SEAL_ROWS))
        assert held.reached.wait(30)
        repository.delete("library")
        held.go.set()
        quick = repository.housekeeping._quick
        wait_until(lambda: not quick.busy_with(lambda task: task is library), "the quick work ends")
    assert "background work failed" not in caplog.text


def test_a_folder_can_close_while_an_index_is_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = LibraryRepository.open(tmp_path)
    repository.start()
    library, _ = repository.create(creation())
    fill(library, range(600))
    held = Held(monkeypatch)
    job = repository.housekeeping.rebuild(library)
    assert held.reached.wait(30)
    closing = threading.Thread(target=repository.close)
    closing.start()
    held.go.set()
    closing.join(30)
    assert not closing.is_alive()
    assert repository.jobs.get(job.id).state is JobState.CANCELLED
    with opened(tmp_path) as again:
        assert_finds(again.get("library"), set(range(600)))
