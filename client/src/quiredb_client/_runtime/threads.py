"""Waiting, iterating and working side by side with threads."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Generic, TypeAlias, TypeVar

Work = TypeVar("Work")
Outcome = TypeVar("Outcome")
Source: TypeAlias = Iterable[Any]

sleep = time.sleep


def iterate(source: Source) -> Iterator[Any]:
    """The items of an iterable."""
    return iter(source)


class Lanes(Generic[Work, Outcome]):
    """Some lanes side by side; each does one piece of work at a time, in the order it was given."""

    def __init__(self, do: Callable[[Work], Outcome], count: int) -> None:
        self._do = do
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="quiredb-bulk")
        self._tasks: list[Future[Outcome] | None] = [None] * count

    def start(self, lane: int, work: Work) -> Outcome | None:
        """Wait until the lane is free, start `work` in it, and return the outcome of the work before."""
        outcome = self._take(lane)
        self._tasks[lane] = self._threads.submit(self._do, work)
        return outcome

    def drain(self) -> list[Outcome]:
        """Wait for all lanes and return the outcomes not returned yet."""
        outcomes = [self._take(lane) for lane in range(len(self._tasks))]
        return [outcome for outcome in outcomes if outcome is not None]

    def close(self) -> None:
        """Drop what has not begun and wait for what still runs."""
        self._threads.shutdown(cancel_futures=True)

    def _take(self, lane: int) -> Outcome | None:
        task = self._tasks[lane]
        if task is None:
            return None
        outcome = task.result()
        self._tasks[lane] = None
        return outcome
