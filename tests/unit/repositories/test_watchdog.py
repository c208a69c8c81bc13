"""The watchdog: dead workers live again, what is stuck is written down once."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from quiredb.repositories import watchdog
from quiredb.repositories.libraries import LibraryRepository
from quiredb.repositories.watchdog import Watchdog
from quiredb.repositories.workers import Worker
from tests.unit.repositories.libraries import creation, wait_until


class Mortal:
    """A task that ends its thread so many times."""

    def __init__(self, deaths: int) -> None:
        self.left = deaths
        self.done = 0

    def __call__(self, task: str) -> bool:
        if self.left:
            self.left -= 1
            raise SystemExit
        self.done += 1
        return False


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[LibraryRepository]:
    opened = LibraryRepository.open(tmp_path / "data")
    yield opened
    opened.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_dead_worker_is_started_again_within_a_second() -> None:
    task = Mortal(1)
    worker: Worker[str] = Worker("mortal", task)
    watching = Watchdog([worker], list)
    watching.start()
    worker.start()
    worker.wake("a")
    wait_until(worker.is_dead, "the thread has ended")
    died = time.monotonic()
    wait_until(lambda: not worker.is_dead(), "it lives again")
    assert time.monotonic() - died < 1.0
    wait_until(lambda: task.done == 1, "the task was performed")
    watching.stop()
    worker.stop()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_one_that_dies_again_is_started_ever_more_seldom() -> None:
    worker: Worker[str] = Worker("mortal", Mortal(1_000))
    watching = Watchdog([worker], list)
    worker.start()
    worker.wake("a")
    starts = []
    for tick in range(200):
        wait_until(lambda: worker.is_dead() or not worker._ready, "dead, or waiting for its task")
        before = worker.state().failures.get("bug", 0)
        if worker.is_dead():
            watching.look(tick * 0.5)
        if worker.state().failures.get("bug", 0) > before:
            starts.append(tick * 0.5)
            with worker._condition:
                worker._due = dict.fromkeys(worker._due, 0.0)
                worker._condition.notify_all()
            wait_until(worker.is_dead, "it has died again")
    assert starts[:6] == [0.0, 0.5, 1.5, 3.5, 7.5, 15.5]
    assert not worker.state().up
    worker.stop()


def test_a_writers_role_held_too_long_is_written_down_once(
    repository: LibraryRepository, caplog: pytest.LogCaptureFixture
) -> None:
    library, _ = repository.create(creation())
    holding, go = threading.Event(), threading.Event()

    def hold_for_long() -> None:
        with library.writer:
            holding.set()
            assert go.wait(30)

    holder = threading.Thread(target=hold_for_long, name="holder")
    holder.start()
    assert holding.wait(30)
    with caplog.at_level(logging.ERROR, watchdog.__name__):
        now = time.monotonic()
        repository.watchdog.look(now + 1)
        assert not caplog.records
        repository.watchdog.look(now + 6)
        repository.watchdog.look(now + 7)
    go.set()
    holder.join()
    (record,) = caplog.records
    assert "library library: the writer's role is held" in record.getMessage()
    assert "hold_for_long" in record.getMessage()
    assert library.writer.held() is None
