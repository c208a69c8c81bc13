"""Threads for background work: one task at a time, each waiting task kept once, unfinished ones come again."""

import logging
import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from quiredb.domain.errors import QuireError

_log = logging.getLogger(__name__)
_RETRY_SECONDS = 0.5

Task = TypeVar("Task", bound=Hashable)


class Worker(Generic[Task]):
    """Runs `perform(task)` for every task that was woken; a task that answers True is performed again after a pause.

    An error of ours is logged and the task tried again; any other error is a bug: it is logged with its traceback, the
    task is dropped and `failed` holds it, so that readiness can tell.
    """

    def __init__(self, name: str, perform: Callable[[Task], bool]) -> None:
        self._perform = perform
        self._ready: dict[Task, None] = {}
        self._later: dict[Task, None] = {}
        self._current: Task | None = None
        self._condition = threading.Condition()
        self._stopping = False
        self.failed: Exception | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def wake(self, task: Task) -> None:
        """Have the task performed soon. Cheap; a task that is waiting already is not added again."""
        with self._condition:
            self._ready[task] = None
            self._condition.notify_all()

    def drop(self, task: Task) -> None:
        """Forget a waiting task."""
        with self._condition:
            self._ready.pop(task, None)
            self._later.pop(task, None)

    def stop(self) -> None:
        """Finish the task at hand and end the thread."""
        with self._condition:
            self._stopping = True
            self._condition.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    def busy_with(self, task: Task) -> bool:
        """Whether the task is being performed, or waits."""
        with self._condition:
            return self._current == task or task in self._ready or task in self._later

    def _next(self) -> Task | None:
        with self._condition:
            while not self._stopping:
                if self._ready:
                    task = next(iter(self._ready))
                    del self._ready[task]
                    self._later.pop(task, None)
                    self._current = task
                    return task
                if not self._condition.wait(_RETRY_SECONDS if self._later else None):
                    self._ready, self._later = self._later, {}
            return None

    def _run(self) -> None:
        while (task := self._next()) is not None:
            again = self._attempt(task)
            with self._condition:
                self._current = None
                if again and task not in self._ready:
                    self._later[task] = None

    def _attempt(self, task: Task) -> bool:
        try:
            return self._perform(task)
        except QuireError as error:
            _log.warning("background work failed and is tried again: %s", error.detail)
            return True
        except Exception as error:  # the thread must survive a bug in one task; readiness reports it
            _log.exception("background work failed")
            self.failed = error
            return False
