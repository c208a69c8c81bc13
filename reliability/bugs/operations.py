"""Bugs in how a server is operated, and the troubles that a rig gives it: a slow disk, work that always fails."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from quiredb.api.middleware.observation import Observation
from quiredb.domain.admission import MemoryBudget
from quiredb.domain.operating import WorkerState
from quiredb.repositories.workers import Worker
from quiredb.storage.connections import WriteConnection

_LEAKED_BYTES = 16_384
_FLUSH_SECONDS = 0.5


def leak_with_each_request() -> None:
    """Something of every request is kept for ever."""
    kept: list[bytearray] = []
    honest = Observation._end

    def end(self: Observation, *arguments: Any) -> None:
        kept.append(bytearray(b"x" * _LEAKED_BYTES))
        honest(self, *arguments)

    Observation._end = end


def admit_everything() -> None:
    """The memory budget refuses nothing."""
    MemoryBudget.take = lambda *_: None
    MemoryBudget.is_exhausted = lambda _: False


def report_dead_workers_up() -> None:
    """A worker says that it is up, whatever it does."""
    honest = Worker.state

    def state(self: Worker[Any]) -> WorkerState:
        return replace(honest(self), up=True)

    Worker.state = state


def fail_all_work() -> None:
    """A trouble: every task of background work meets a bug, and pauses are short."""
    honest = Worker.__init__

    def made(self: Worker[Any], name: str, *_: Any) -> None:
        honest(self, name, lambda _: 1 // 0 == 0)

    Worker.__init__ = made


def flush_slowly() -> None:
    """A trouble: each commit takes half a second longer."""
    honest = WriteConnection.transaction

    @contextmanager
    def transaction(self: WriteConnection) -> Iterator[Any]:
        with honest(self) as connection:
            yield connection
            time.sleep(_FLUSH_SECONDS)

    WriteConnection.transaction = transaction
