"""Jobs as users see them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from quiredb.domain.errors import Conflict, NotFound
from quiredb.domain.indexing import JobState
from quiredb.repositories import jobs
from quiredb.repositories.jobs import JobRegistry


def test_the_life_of_a_job() -> None:
    registry = JobRegistry()
    job = registry.add("index", "library")
    assert (job.state, job.done, job.library_id) == (JobState.QUEUED, 0, "library")
    registry.progress(job.id, 0.5)
    running = registry.get(job.id)
    assert (running.state, running.done * 2, running.eta_seconds is None) == (JobState.RUNNING, running.total, False)
    registry.end(job.id, JobState.SUCCEEDED)
    ended = registry.get(job.id)
    assert (ended.state, ended.done, ended.eta_seconds) == (JobState.SUCCEEDED, ended.total, None)
    assert job.state is JobState.QUEUED


def test_the_time_left_does_not_follow_a_clock_that_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    instants = iter(datetime(2026, 1, day, tzinfo=UTC) for day in range(9, 0, -1))
    monkeypatch.setattr(jobs, "now", lambda: next(instants))
    registry = JobRegistry()
    job = registry.add("index", "library")
    for share in (0.25, 0.5, 0.75):
        registry.progress(job.id, share)
        left = registry.get(job.id).eta_seconds
        assert left is not None and 0 <= left < 3600


def test_an_ended_job_stays_as_it_ended() -> None:
    registry = JobRegistry()
    job = registry.add("index", "library")
    registry.end(job.id, JobState.FAILED, "broken")
    registry.progress(job.id, 0.9)
    registry.end(job.id, JobState.SUCCEEDED)
    assert (registry.get(job.id).state, registry.get(job.id).error) == (JobState.FAILED, "broken")
    with pytest.raises(Conflict):
        registry.cancel(job.id)


def test_cancelling() -> None:
    registry = JobRegistry()
    queued, running = registry.add("index", "a"), registry.add("index", "b")
    registry.progress(running.id, 0.1)
    assert registry.cancel(queued.id).state is JobState.CANCELLED
    assert registry.cancel(running.id).state is JobState.RUNNING
    assert registry.is_cancelled(running.id)
    assert [job.id for job in registry.all()] == [queued.id, running.id]


def test_unknown_jobs() -> None:
    registry = JobRegistry()
    with pytest.raises(NotFound):
        registry.get("nope")
    registry.progress("nope", 0.5)
    registry.end("nope", JobState.FAILED)


def test_the_oldest_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "_JOBS_KEPT", 3)
    registry = JobRegistry()
    made = [registry.add("index", str(number)) for number in range(5)]
    assert [job.id for job in registry.all()] == [job.id for job in made[2:]]
