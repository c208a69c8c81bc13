"""Background threads: tasks run once per wake, come again when unfinished, and a bug does not end the thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from quiredb.domain.errors import StorageFailed
from quiredb.domain.operating import WorkerState
from quiredb.repositories import workers
from quiredb.repositories.workers import Worker
from tests.unit.repositories.libraries import wait_until


class Recorder:
    """Performs tasks and remembers which; `answers` are taken in turn, then False."""

    def __init__(self, *answers: bool | Exception) -> None:
        self.done: list[str] = []
        self.answers = list(answers)
        self.may_go = threading.Event()
        self.may_go.set()

    def __call__(self, task: str) -> bool:
        assert self.may_go.wait(30)
        self.done.append(task)
        answer = self.answers.pop(0) if self.answers else False
        if isinstance(answer, BaseException):
            raise answer
        return answer


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_PAUSE_SECONDS", 0.01)


@pytest.fixture
def started() -> Iterator[list[Worker[str]]]:
    made: list[Worker[str]] = []
    yield made
    for worker in made:
        worker.stop()


def start(recorder: Recorder, started: list[Worker[str]]) -> Worker[str]:
    worker: Worker[str] = Worker("test", recorder)
    started.append(worker)
    worker.start()
    return worker


def test_every_task_is_performed_once(started: list[Worker[str]]) -> None:
    recorder = Recorder()
    worker = start(recorder, started)
    for name in "abc":
        worker.wake(name)
    wait_until(lambda: not worker.busy_with(lambda _: True), "all done")
    assert recorder.done == ["a", "b", "c"]


def test_a_waiting_task_is_kept_once(started: list[Worker[str]]) -> None:
    recorder = Recorder()
    recorder.may_go.clear()
    worker = start(recorder, started)
    worker.wake("a")
    for _ in range(5):
        worker.wake("b")
    assert worker.busy_with(lambda task: task == "b")
    assert not worker.busy_with(lambda task: task == "c")
    recorder.may_go.set()
    wait_until(lambda: not worker.busy_with(lambda _: True), "all done")
    assert recorder.done == ["a", "b"]


@pytest.mark.parametrize("answer", [True, StorageFailed("disk")])
def test_unfinished_and_failed_tasks_come_again(started: list[Worker[str]], answer: bool | Exception) -> None:
    recorder = Recorder(answer, answer)
    worker = start(recorder, started)
    worker.wake("a")
    wait_until(lambda: not worker.busy_with(lambda _: True), "all done")
    assert recorder.done == ["a", "a", "a"]
    state = worker.state()
    assert state.up
    assert state.failures == ({} if answer is True else {"storage-failed": 2})


def test_a_bug_is_counted_and_the_task_comes_again(started: list[Worker[str]]) -> None:
    recorder = Recorder(ZeroDivisionError())
    worker = start(recorder, started)
    worker.wake("a")
    worker.wake("b")
    wait_until(lambda: not worker.busy_with(lambda _: True), "all done")
    assert recorder.done == ["a", "b", "a"]
    assert worker.state() == WorkerState("test", True, "running", {"bug": 1})


def test_a_task_that_fails_again_and_again_takes_the_worker_down_until_it_succeeds(started: list[Worker[str]]) -> None:
    recorder = Recorder(*[ZeroDivisionError()] * 3)
    worker: Worker[str] = Worker("test", recorder)
    seen = []

    def perform(task: str) -> bool:
        seen.append(worker.state())
        return recorder(task)

    worker._perform = perform
    started.append(worker)
    worker.start()
    worker.wake("a")
    wait_until(lambda: not worker.busy_with(lambda _: True), "all done")
    assert [state.up for state in seen] == [True, True, True, False]
    assert "3 times in a row" in seen[-1].detail
    assert worker.state().up


def test_a_task_without_progress_takes_the_worker_down(
    started: list[Worker[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_000.0
    monkeypatch.setattr(workers.time, "monotonic", lambda: now)
    recorder = Recorder()
    recorder.may_go.clear()
    worker: Worker[str] = Worker("test", recorder, seconds_without_progress=10.0)
    started.append(worker)
    worker.start()
    worker.wake("a")
    wait_until(lambda: not worker._ready, "the task is at hand")
    now += 9
    worker.progressed("half")
    now += 9
    worker.progressed("half")
    assert worker.state().up
    now += 2
    assert worker.stuck_since() == 1_009.0
    assert worker.state() == WorkerState("test", False, "no progress for 11 s", {})
    worker.progressed("all")
    assert worker.state().up
    recorder.may_go.set()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_dead_thread_is_seen_and_its_task_comes_again(started: list[Worker[str]]) -> None:
    recorder = Recorder(SystemExit())  # type: ignore[arg-type]
    worker = start(recorder, started)
    worker.wake("a")
    wait_until(worker.is_dead, "the thread has ended")
    assert worker.state() == WorkerState("test", False, "its thread is dead", {})
    worker.restart()
    assert worker.state().up
    wait_until(lambda: not worker.busy_with(lambda _: True), "all done")
    assert recorder.done == ["a", "a"]
    assert worker.state().failures == {"bug": 1}


def test_stopping_leaves_waiting_tasks() -> None:
    recorder = Recorder()
    recorder.may_go.clear()
    worker: Worker[str] = Worker("test", recorder)
    worker.start()
    worker.wake("a")
    wait_until(lambda: not worker._ready, "the task is at hand")
    worker.wake("b")
    stopping = threading.Thread(target=worker.stop)
    stopping.start()
    wait_until(lambda: worker._stopping, "told to stop")
    recorder.may_go.set()
    stopping.join(30)
    assert recorder.done == ["a"]
