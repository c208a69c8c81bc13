"""Threads that work for the event loop. Handing work over costs half of what general executors take for it."""

import asyncio
import queue
import threading
import weakref
from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

Result = TypeVar("Result")
_Work: TypeAlias = tuple[asyncio.AbstractEventLoop, "asyncio.Future[Any]", Callable[..., Any], tuple[Any, ...]]


class LoopThreads:
    """At most `count` threads, started when they are needed, ended when this object is gone. One loop uses them.

    The loop's thread alone counts what is under way, so there is nothing to lock. What is more than `count` waits.
    """

    def __init__(self, count: int, name: str) -> None:
        self._count = count
        self._name = name
        self._started = 0
        self._under_way = 0
        self._work: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        weakref.finalize(self, _end, self._work, count)

    async def run(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """What `function(*arguments)` returns or raises in one of the threads."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        self._under_way += 1
        if self._started < min(self._under_way, self._count):
            self._started += 1
            name = f"{self._name}-{self._started}"
            threading.Thread(target=_run, args=(self._work,), name=name, daemon=True).start()
        self._work.put((loop, future, function, arguments))
        try:
            return await future
        finally:
            self._under_way -= 1


def _run(work: queue.SimpleQueue[_Work | None]) -> None:
    """What a thread does. It does not hold the `LoopThreads`, whose end is its own."""
    while (one := work.get()) is not None:
        loop, future, function, arguments = one
        try:
            result, error = function(*arguments), None
        except Exception as raised:  # whatever it is belongs to the caller, who waits for it on the loop
            result, error = None, raised
        try:
            loop.call_soon_threadsafe(_deliver, future, result, error)
        except RuntimeError:  # the loop was closed, so nobody waits any more
            return
        del one, future, function, arguments, result, error


def _deliver(future: "asyncio.Future[Any]", result: Any, error: Exception | None) -> None:
    if future.cancelled():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)


def _end(work: queue.SimpleQueue[_Work | None], count: int) -> None:
    for _ in range(count):
        work.put(None)
