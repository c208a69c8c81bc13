"""Threads for background work: one task at a time, each waiting task kept once, unfinished ones come again."""

import logging
import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from quiredb.domain.errors import Overloaded, QuireError
from quiredb.domain.operating import WorkerState

_log = logging.getLogger(__name__)
_PAUSE_SECONDS = 0.5
_PAUSE_SECONDS_MAX = 60.0
_FAILING_FROM = 3
_BUG = "bug"

Task = TypeVar("Task", bound=Hashable)


class Worker(Generic[Task]):
    """Runs `perform(task)` for every task that was woken; a task that answers True is performed again after a pause.

    Whatever fails is logged, counted and tried again, after pauses that double up to a minute. `state` is worked out
    from what the thread does when somebody asks: a worker is not up while its thread is dead, while a task fails by a
    bug again and again, and while a task makes no progress for `seconds_without_progress` (`progressed` reports it).
    """

    def __init__(self, name: str, perform: Callable[[Task], bool], seconds_without_progress: float = 600.0) -> None:
        self.name = name
        self._perform = perform
        self._patience = seconds_without_progress
        self._ready: dict[Task, None] = {}
        self._due: dict[Task, float] = {}
        self._pauses: dict[Task, float] = {}
        self._bugs: dict[Task, int] = {}
        self._failures: Counter[str] = Counter()
        self._current: Task | None = None
        self._progress: object = None
        self._progressed_at = 0.0
        self._condition = threading.Condition()
        self._stopping = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to work."""
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self._thread.start()

    def is_dead(self) -> bool:
        """Whether the thread ended although nobody stopped it."""
        return self._thread is not None and not self._thread.is_alive() and not self._stopping

    def restart(self) -> None:
        """Put a new thread in the place of a dead one; the task at hand comes again after a pause."""
        with self._condition:
            self._failures[_BUG] += 1
            if self._current is not None:
                self._bugs[self._current] = self._bugs.get(self._current, 0) + 1
                self._due[self._current] = time.monotonic() + self._longer_pause(self._current)
                self._current = None
        self.start()

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
        if self._thread is not None and self._thread.is_alive():
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

    def progressed(self, mark: object) -> None:
        """How far the task at hand is. The same mark again is no progress."""
        if mark != self._progress:
            self._progress = mark
            self._progressed_at = time.monotonic()

    def stuck_since(self) -> float | None:
        """When (monotonic clock) the task at hand made progress last, if that is longer ago than patience allows."""
        with self._condition:
            since = self._progressed_at if self._current is not None else math.inf
        return since if time.monotonic() - since > self._patience else None

    def state(self) -> WorkerState:
        """How it is now."""
        complaint = self._complaint()
        with self._condition:
            failures = dict(self._failures)
        return WorkerState(self.name, complaint is None, complaint or "running", failures)

    def _complaint(self) -> str | None:
        if self.is_dead():
            return "its thread is dead"
        if (since := self.stuck_since()) is not None:
            return f"no progress for {time.monotonic() - since:.0f} s"
        with self._condition:
            failing = max(self._bugs.values(), default=0)
        return f"failed {failing} times in a row; see the log" if failing >= _FAILING_FROM else None

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
                    self._progress = None
                    self._progressed_at = now
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
            # While it waits for the next one, the thread must not keep a library that was deleted.
            del task

    def _attempt(self, task: Task) -> float | None:
        """Perform the task; answers the seconds until it is due again, or None when it is done."""
        try:
            again = self._perform(task)
        except (QuireError, MemoryError) as error:
            self._failures[error.code if isinstance(error, QuireError) else Overloaded.code] += 1
            pause = self._longer_pause(task)
            _log.warning("%s: work failed and is tried again in %.0f s: %s", self.name, pause, error)
            return pause
        except Exception:  # the thread must survive a bug in one task; readiness reports it
            self._failures[_BUG] += 1
            self._bugs[task] = self._bugs.get(task, 0) + 1
            pause = self._longer_pause(task)
            _log.exception("%s: a bug stopped the work; it is tried again in %.0f s", self.name, pause)
            return pause
        self._pauses.pop(task, None)
        self._bugs.pop(task, None)
        return _PAUSE_SECONDS if again else None

    def _longer_pause(self, task: Task) -> float:
        pause = min(2 * self._pauses.get(task, _PAUSE_SECONDS), _PAUSE_SECONDS_MAX)
        self._pauses[task] = pause
        return pause
