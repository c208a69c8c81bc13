"""Threads that work for the event loop: results and errors come back, work overlaps up to the bound, threads end."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from quiredb.api.threads import LoopThreads

DEADLINE_SECONDS = 10


def test_results_and_errors_come_back() -> None:
    async def ask() -> None:
        threads = LoopThreads(2, "errors")
        assert await threads.run(divmod, 7, 2) == (3, 1)
        with pytest.raises(ZeroDivisionError):
            await threads.run(divmod, 7, 0)
        assert await threads.run(threading.get_ident) != threading.get_ident()

    asyncio.run(ask())


def test_work_overlaps_up_to_the_bound_and_the_rest_waits() -> None:
    async def ask() -> None:
        threads = LoopThreads(3, "bounded")
        pair = threading.Barrier(3)
        waited = await asyncio.gather(*(threads.run(pair.wait, DEADLINE_SECONDS) for _ in range(9)))
        assert sorted(waited) == [0, 0, 0, 1, 1, 1, 2, 2, 2]
        assert _alive("bounded") == 3

    asyncio.run(ask())


def test_one_after_the_other_takes_one_thread() -> None:
    async def ask() -> None:
        threads = LoopThreads(5, "single")
        for _ in range(20):
            await threads.run(int)
        assert _alive("single") == 1

    asyncio.run(ask())


def test_who_gives_up_waiting_does_not_stop_the_thread() -> None:
    async def ask() -> None:
        threads = LoopThreads(1, "cancelled")
        going, done = threading.Event(), threading.Event()
        task = asyncio.create_task(threads.run(lambda: (going.set(), done.wait(DEADLINE_SECONDS))))
        while not going.is_set():
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        done.set()
        assert await threads.run(divmod, 7, 2) == (3, 1)

    asyncio.run(ask())


def test_threads_end_with_their_owner() -> None:
    async def ask() -> None:
        await asyncio.gather(*(LoopThreads(4, "ended").run(int) for _ in range(4)))

    asyncio.run(ask())
    deadline = time.monotonic() + DEADLINE_SECONDS
    while _alive("ended"):
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)


def _alive(name: str) -> int:
    return sum(thread.name.startswith(name) for thread in threading.enumerate())
