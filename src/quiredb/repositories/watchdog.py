"""The thread that looks after the others: restarts dead workers, and writes down what threads do that are stuck."""

import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Any

from quiredb.repositories.open_library import OpenLibrary
from quiredb.repositories.workers import Worker

_log = logging.getLogger(__name__)
_LOOK_SECONDS = 0.5
_PAUSE_SECONDS_MAX = 30.0
_CALM_SECONDS = 60.0
_HELD_SECONDS_MAX = 5.0


class Watchdog:
    """Looks twice a second. A worker that dies again soon is restarted after pauses that double up to half a minute.

    A worker without progress, or a writer's role held for more than five seconds, has the stacks of all threads
    written to the log, once each time.
    """

    def __init__(self, workers: Sequence[Worker[Any]], libraries: Callable[[], Sequence[OpenLibrary]]) -> None:
        self._workers = workers
        self._libraries = libraries
        self._restarts = {worker.name: _Restarts() for worker in workers}
        self._told: set[tuple[str, float]] = set()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="quire-watch", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def is_watching(self) -> bool:
        """Whether it looks, or was never meant to yet."""
        return self._thread.ident is None or self._thread.is_alive()

    def look(self, now: float) -> None:
        """Look once, at `now` on the monotonic clock."""
        for worker in self._workers:
            if worker.is_dead() and self._restarts[worker.name].is_due(now):
                _log.error("worker %s has died and is started again", worker.name)
                worker.restart()
        stuck = self._stuck(now)
        for subject, since in stuck:
            if (subject, since) not in self._told:
                _log.error("%s since %.0f s; the stacks of all threads:\n%s", subject, now - since, _stacks())
        self._told = set(stuck)

    def _stuck(self, now: float) -> list[tuple[str, float]]:
        """(what is stuck, since when) of everything that is."""
        found = [
            (f"worker {worker.name} makes no progress", since)
            for worker in self._workers
            if (since := worker.stuck_since()) is not None
        ]
        for library in self._libraries():
            held = library.writer.held()
            if held and now - held[1] > _HELD_SECONDS_MAX:
                found.append((f"library {library.id}: the writer's role is held by thread {held[0]}", held[1]))
        return found

    def _run(self) -> None:
        while not self._stopping.wait(_LOOK_SECONDS):
            try:
                self.look(time.monotonic())
            except Exception:  # whoever looks after the others must not end by a bug in looking
                _log.exception("the watchdog stumbled")


class _Restarts:
    """When one worker may be started again."""

    def __init__(self) -> None:
        self._last = float("-inf")
        self._pause = 0.0

    def is_due(self, now: float) -> bool:
        """Whether to start it now; if so, the next time is later."""
        calm = now - self._last > _CALM_SECONDS
        if not calm and now - self._last < self._pause:
            return False
        self._pause = _LOOK_SECONDS if calm else min(2 * self._pause, _PAUSE_SECONDS_MAX)
        self._last = now
        return True


def _stacks() -> str:
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    return "\n".join(
        f"{names.get(identity, 'unknown')} ({identity}):\n{''.join(traceback.format_stack(frame))}"
        for identity, frame in sys._current_frames().items()
    )
