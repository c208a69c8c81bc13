"""The write path: group commit, receipts, positions, refusals."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from quiredb.domain.changes import Change
from quiredb.domain.commands import Command, PutChunk, Receipt, WriteBatch
from quiredb.domain.errors import NotFound, QuireError, ReplicaBehind, StorageFull, Unavailable
from quiredb.repositories.commits import CommitQueue, _Pending
from quiredb.storage.library_store import Applied
from tests.unit.engine.rows import library_of
from tests.unit.repositories.libraries import batch, creation, delete, opened, put, wait_until

THREADS = 8
WRITES = 25


class Gate:
    """A store that can be held in a commit, and counts groups."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.entered = threading.Event()
        self.groups: list[int] = []
        self.position = 0
        self.fails = False

    def write(self, commands: Sequence[Command]) -> list[Applied | QuireError]:
        self.entered.set()
        assert self.open.wait(30)
        self.groups.append(len(commands))
        if self.fails:
            raise StorageFull("full")
        return [self._apply(command) for command in commands]

    def _apply(self, command: Command) -> Applied | QuireError:
        assert isinstance(command, WriteBatch)
        if not isinstance(command.operations[0], PutChunk):
            return NotFound("chunk", "missing")
        self.position += 1
        library = library_of(self.position)
        return Applied(Receipt(self.position, library), Change(self.position, library))


def test_commands_that_wait_share_one_commit() -> None:
    gate, applied = Gate(), []
    queue = CommitQueue(threading.Lock(), gate.write, lambda changes: applied.append(len(changes)))
    with ThreadPoolExecutor(THREADS + 1) as pool:
        first = pool.submit(queue.submit, batch(put(0)))
        assert gate.entered.wait(30)
        waiting = [pool.submit(queue.submit, batch(put(number) if number else delete(0))) for number in range(THREADS)]
        wait_until(lambda: len(queue._pending) == THREADS, "all wait")
        gate.open.set()
        refused, *committed = waiting
        assert first.result().position == 1
        assert sorted(future.result().position for future in committed) == list(range(2, THREADS + 1))
        with pytest.raises(NotFound):
            refused.result()
    assert gate.groups == [1, THREADS]
    assert applied == [1, THREADS - 1]


def test_more_commands_than_fit_into_one_commit_are_all_answered() -> None:
    gate, many = Gate(), 70
    queue = CommitQueue(threading.Lock(), gate.write, lambda changes: None)
    with ThreadPoolExecutor(many + 1) as pool:
        futures = [pool.submit(queue.submit, batch(put(0)))]
        assert gate.entered.wait(30)
        futures += [pool.submit(queue.submit, batch(put(number))) for number in range(1, many + 1)]
        wait_until(lambda: len(queue._pending) == many, "all wait")
        gate.open.set()
        assert sorted(future.result(30).position for future in futures) == list(range(1, many + 2))
    assert gate.groups == [1, 64, 6]


def test_a_caller_whose_command_is_not_in_the_first_group_goes_on() -> None:
    gate = Gate()
    gate.open.set()
    queue = CommitQueue(threading.Lock(), gate.write, lambda changes: None)
    queue._pending.extend(_Pending(batch(put(number))) for number in range(130))
    assert queue.submit(batch(put(999))).position == 131
    assert gate.groups == [64, 64, 3]


def test_a_commit_that_fails_fails_for_its_whole_group() -> None:
    gate, applied = Gate(), []
    gate.fails = True
    gate.open.set()
    queue = CommitQueue(threading.Lock(), gate.write, applied.extend)
    with pytest.raises(StorageFull):
        queue.submit(batch(put(0)))
    assert applied == []
    gate.fails = False
    assert queue.submit(batch(put(0))).position == 1


def test_nobody_hangs_when_publishing_breaks() -> None:
    gate = Gate()

    def broken(changes: Sequence[Change]) -> None:
        raise ZeroDivisionError

    queue = CommitQueue(threading.Lock(), gate.write, broken)
    with ThreadPoolExecutor(3) as pool:
        futures = [pool.submit(queue.submit, batch(put(0)))]
        assert gate.entered.wait(30)
        futures += [pool.submit(queue.submit, batch(put(number))) for number in (1, 2)]
        wait_until(lambda: len(queue._pending) == 2, "both wait")
        gate.open.set()
        errors = [future.exception(30) for future in futures]
    assert {type(error) for error in errors} <= {ZeroDivisionError, Unavailable}


def test_a_command_that_was_taken_and_never_committed_is_answered() -> None:
    """Whoever took the group was interrupted (Ctrl-C) before it was written."""
    gate, writer = Gate(), threading.Lock()
    gate.open.set()
    queue = CommitQueue(writer, gate.write, lambda changes: None)
    with ThreadPoolExecutor(1) as pool:
        with writer:
            waiting = pool.submit(queue.submit, batch(put(0)))
            wait_until(lambda: len(queue._pending) == 1, "it waits")
            queue._take()
        assert isinstance(waiting.exception(30), Unavailable)
    assert gate.groups == []


def test_a_command_whose_caller_gave_up_waiting_is_not_committed_later() -> None:
    class Interrupted:
        def __init__(self) -> None:
            self.failures = [KeyboardInterrupt()]

        def __enter__(self) -> None:
            if self.failures:
                raise self.failures.pop()

        def __exit__(self, *raised: object) -> None:
            pass

    gate = Gate()
    gate.open.set()
    queue = CommitQueue(Interrupted(), gate.write, lambda changes: None)  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        queue.submit(batch(put(0)))
    assert queue.submit(batch(put(1))).position == 1
    assert gate.groups == [1]


def test_each_writer_gets_its_own_receipt_and_positions_have_no_holes(tmp_path: Path) -> None:
    with opened(tmp_path) as repository:
        library, _ = repository.create(creation())
        positions: list[int] = []
        lock = threading.Lock()

        def write(thread: int) -> None:
            for step in range(WRITES):
                number = thread * WRITES + step
                if step % 5 == 4:
                    with pytest.raises(NotFound):
                        library.submit(batch(put(number + 10_000), delete(999_999)))
                    continue
                receipt = library.submit(batch(put(number)))
                (outcome,) = receipt.outcomes
                assert outcome.resource is not None
                assert outcome.resource.id == f"chunk-{number:06d}"
                view = library.view()
                assert view.position >= receipt.position
                assert library.store.chunk(outcome.resource.id, view.position) is not None
                with lock:
                    positions.append(receipt.position)

        with ThreadPoolExecutor(THREADS) as pool:
            for future in [pool.submit(write, thread) for thread in range(THREADS)]:
                future.result()
        written = THREADS * WRITES * 4 // 5
        assert sorted(positions) == list(range(1, written + 1))
        assert library.view().library.chunk_count == written


def test_waiting_for_a_position(tmp_path: Path) -> None:
    with opened(tmp_path) as repository:
        library, _ = repository.create(creation())
        library.wait_for(0, 0)
        with pytest.raises(ReplicaBehind):
            library.wait_for(1, 0.01)
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(library.wait_for, 2, 30)
            library.submit(batch(put(1)))
            assert not waiting.done()
            library.submit(batch(put(2)))
            waiting.result(30)


def test_a_closed_library_takes_no_writes(tmp_path: Path) -> None:
    with opened(tmp_path) as repository:
        library, _ = repository.create(creation())
        repository.delete("library")
        with pytest.raises(NotFound):
            library.submit(batch(put(1)))
        with pytest.raises(NotFound), library.exclusively():
            pytest.fail("entered")
