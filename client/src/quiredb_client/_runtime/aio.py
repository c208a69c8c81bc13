"""Waiting, iterating and working side by side with asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from typing import Any, Generic, TypeAlias, TypeVar

Work = TypeVar("Work")
Outcome = TypeVar("Outcome")
Source: TypeAlias = Iterable[Any] | AsyncIterable[Any]

sleep = asyncio.sleep


async def iterate(source: Source) -> AsyncIterator[Any]:
    """The items of a plain or an asynchronous iterable."""
    if isinstance(source, AsyncIterable):
        async for item in source:
            yield item
    else:
        for item in source:
            yield item


class Lanes(Generic[Work, Outcome]):
    """Some lanes side by side; each does one piece of work at a time, in the order it was given."""

    def __init__(self, do: Callable[[Work], Awaitable[Outcome]], count: int) -> None:
        self._do = do
        self._tasks: list[asyncio.Future[Outcome] | None] = [None] * count

    async def start(self, lane: int, work: Work) -> Outcome | None:
        """Wait until the lane is free, start `work` in it, and return the outcome of the work before."""
        outcome = await self._take(lane)
        self._tasks[lane] = asyncio.ensure_future(self._do(work))
        return outcome

    async def drain(self) -> list[Outcome]:
        """Wait for all lanes and return the outcomes not returned yet."""
        outcomes = [await self._take(lane) for lane in range(len(self._tasks))]
        return [outcome for outcome in outcomes if outcome is not None]

    async def close(self) -> None:
        """Cancel what still runs."""
        tasks = [task for task in self._tasks if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _take(self, lane: int) -> Outcome | None:
        task = self._tasks[lane]
        if task is None:
            return None
        outcome = await task
        self._tasks[lane] = None
        return outcome
