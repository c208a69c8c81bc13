"""Long work on the server."""

from __future__ import annotations

import time

from .. import calls, decoding
from .._runtime import aio as runtime
from ..errors import JobFailed, Timeout
from ..models import Job
from .pager import AsyncPager
from .session import AsyncSession

_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 2.0


class AsyncJobs:
    """The jobs of the server."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    def list(self, *, limit: int | None = None, page_size: int | None = None) -> AsyncPager[Job]:
        """All jobs the server still knows."""
        return AsyncPager(
            self._session,
            lambda cursor: calls.read("GET", "v1", "jobs", parameters={"limit": page_size, "cursor": cursor}),
            decoding.job,
            limit,
        )

    async def get(self, job: str) -> Job:
        """One job as it stands."""
        return decoding.job(await self._session.json(calls.read("GET", "v1", "jobs", job)))

    async def cancel(self, job: str) -> None:
        """Ask a job to stop; it stops at its next safe point."""
        await self._session.send(calls.write("DELETE", "v1", "jobs", job))

    async def wait(self, job: str | Job, *, timeout: float | None = None) -> Job:
        """Wait until a job has succeeded, asking ever less often, at most every 2 seconds.

        Raises:
            JobFailed: it failed or was cancelled.
            Timeout: it still runs after `timeout` seconds; it goes on running.
        """
        job_id = job.id if isinstance(job, Job) else job
        deadline = None if timeout is None else time.monotonic() + timeout
        pause = _FIRST_PAUSE
        while True:
            present = await self.get(job_id)
            if present.state == "succeeded":
                return present
            if present.finished:
                raise JobFailed(present)
            if deadline is not None and time.monotonic() + pause > deadline:
                raise Timeout(f"job {job_id} still runs after {timeout:g} seconds")
            await runtime.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
