"""Long work that users can watch and cancel. Jobs live as long as the process; what they did stays."""

import dataclasses
import threading
import time
from collections import OrderedDict

from quiredb.domain.errors import Conflict, NotFound
from quiredb.domain.identifiers import new_identifier
from quiredb.domain.indexing import Job, JobState
from quiredb.domain.times import now

_JOBS_KEPT = 1_000
_UNITS = 1_000
_ENDED = {JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED}


class JobRegistry:
    """All jobs of this process, newest last. Thread-safe; jobs are replaced, never changed."""

    def __init__(self) -> None:
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._started: dict[str, float] = {}
        self._cancelled: set[str] = set()
        self._lock = threading.Lock()

    def add(self, kind: str, library_id: str) -> Job:
        """A new queued job."""
        at = now()
        job = Job(new_identifier(), kind, library_id, JobState.QUEUED, 0, _UNITS, None, None, at, at)
        with self._lock:
            self._jobs[job.id] = job
            while len(self._jobs) > _JOBS_KEPT:
                dropped, _ = self._jobs.popitem(last=False)
                self._started.pop(dropped, None)
                self._cancelled.discard(dropped)
        return job

    def get(self, job_id: str) -> Job:
        """The job now; `NotFound` when there is none."""
        with self._lock:
            if job_id in self._jobs:
                return self._jobs[job_id]
        raise NotFound("job", job_id)

    def all(self) -> tuple[Job, ...]:
        """Every job, oldest first."""
        with self._lock:
            return tuple(self._jobs.values())

    def cancel(self, job_id: str) -> Job:
        """Ask a job to stop; `Conflict` when it has ended."""
        job = self.get(job_id)
        if job.state in _ENDED:
            raise Conflict(f"The job has ended: {job.state}.")
        with self._lock:
            self._cancelled.add(job_id)
        if job.state is JobState.QUEUED:
            self.end(job_id, JobState.CANCELLED)
        return self.get(job_id)

    def has_ended(self, job_id: str) -> bool:
        """Whether the job is over, or forgotten."""
        with self._lock:
            return job_id not in self._jobs or self._jobs[job_id].state in _ENDED

    def is_cancelled(self, job_id: str) -> bool:
        """Whether somebody asked the job to stop."""
        with self._lock:
            return job_id in self._cancelled

    def progress(self, job_id: str, share: float) -> None:
        """The job runs and did `share` (0..1) of its work; the time left is estimated from the time so far."""
        at = time.monotonic()
        with self._lock:
            job = self._jobs.get(job_id)
            if job is None or job.state in _ENDED:
                return
            spent = at - self._started.setdefault(job_id, at)
            left = spent * (1 - share) / share if share > 0.01 else None
            self._jobs[job_id] = dataclasses.replace(
                job, state=JobState.RUNNING, done=int(share * _UNITS), eta_seconds=left, updated_at=now()
            )

    def end(self, job_id: str, state: JobState, error: str | None = None) -> None:
        """The job ended."""
        with self._lock:
            job = self._jobs.get(job_id)
            if job is None or job.state in _ENDED:
                return
            done = _UNITS if state is JobState.SUCCEEDED else job.done
            self._jobs[job_id] = dataclasses.replace(
                job, state=state, done=done, eta_seconds=None, error=error, updated_at=now()
            )
