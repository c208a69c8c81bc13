"""Threads for background work: one task at a time, each waiting task kept once, unfinished ones come again."""

import logging
import threading
import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from quiredb.domain.errors import QuireError

_log = logging.getLogger(__name__)
_PAUSE_SECONDS = 0.5
_PAUSE_SECONDS_MAX = 60.0

Task = TypeVar("Task", bound=Hashable)


class Worker(Generic[Task]):
    """Runs `perform(task)` for every task that was woken; a task that answers True is performed again after a pause.

    An error of ours is logged and the task tried again, after pauses that double up to a minute. Any other is a bug:
    it is logged with its traceback, the task is dropped and `failed` holds it, so that readiness can tell.
    """

    def __init__(self, name: str, perform: Callable[[Task], bool]) -> None:
        self._perform = perform
        self._ready: dict[Task, None] = {}
        self._due: dict[Task, float] = {}
        self._pauses: dict[Task, float] = {}
        self._current: Task | None = None
        self._condition = threading.Condition()
        self._stopping = False
        self.failed: Exception | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def wake(self, task: Task) -> None:
        """Have the task performed soon. Cheap; one that waits is not added again, one that failed keeps its pause."""
        with self._condition:
            if task not in self._pauses:
                self._ready[task] = None
                self._condition.notify_all()

    def stop(self) -> None:
        """Finish the task at hand and end the thread."""
        with self._condition:
            self._stopping = True
            self._condition.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    def waiting(self) -> tuple[Task, ...]:
        """The tasks that were woken and have not begun."""
        with self._condition:
            return tuple(self._ready)

    def busy_with(self, concerned: Callable[[Task], bool]) -> bool:
        """Whether a task for which `concerned` answers True is being performed, or waits."""
        with self._condition:
            current = () if self._current is None else (self._current,)
            return any(map(concerned, (*current, *self._ready, *self._due)))

    def _next(self) -> Task | None:
        with self._condition:
            while not self._stopping:
                now = time.monotonic()
                self._ready.update({task: None for task, due in self._due.items() if due <= now})
                if self._ready:
                    task = next(iter(self._ready))
                    del self._ready[task]
                    self._due.pop(task, None)
                    self._current = task
                    return task
                self._condition.wait(min(self._due.values()) - now if self._due else None)
            return None

    def _run(self) -> None:
        while (task := self._next()) is not None:
            pause = self._attempt(task)
            with self._condition:
                self._current = None
                if pause is not None and task not in self._ready:
                    self._due[task] = time.monotonic() + pause

    def _attempt(self, task: Task) -> float | None:
        """Perform the task; answers the seconds until it is due again, or None when it is done."""
        try:
            again = self._perform(task)
        except QuireError as error:
            pause = min(2 * self._pauses.get(task, _PAUSE_SECONDS), _PAUSE_SECONDS_MAX)
            self._pauses[task] = pause
            _log.warning("background work failed and is tried again in %.0f s: %s", pause, error.detail)
            return pause
        except Exception as error:  # the thread must survive a bug in one task; readiness reports it
            _log.exception("background work failed")
            self.failed = error
            again = False
        self._pauses.pop(task, None)
        return _PAUSE_SECONDS if again else None
