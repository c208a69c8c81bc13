"""Ending a process before each of its steps: a call that changes the disk, or an SQL statement.

The work runs in a forked child that ends like a killed one, without cleaning up. Only fork while no other thread runs.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import apsw

_CALLS = ("fsync", "replace", "rename", "mkdir", "unlink", "remove", "rmdir", "write", "ftruncate")
_KILLED = -signal.SIGKILL


class NotKilled(Exception):
    """The work ended by itself with another exit status than 0."""


def kill_at_each_step(work: Callable[[], object], after: Callable[[int], object], stride: int = 1) -> int:
    """Run the work again and again, killed before its first, second, ... step, until it ends; then `after` that step.

    Returns how often it was killed. With a stride only each so many-th step is tried.
    """
    step, killed = 1, 0
    while _run_until(step, work) != 0:
        after(step)
        step += stride
        killed += 1
    return killed


def _run_until(step: int, work: Callable[[], object]) -> int:
    child = os.fork()
    if child == 0:
        status = 1
        try:
            with _killed_before(step):
                work()
            status = 0
        finally:
            os._exit(status)
    _, ended = os.waitpid(child, 0)
    status = os.waitstatus_to_exitcode(ended)
    if status not in {0, _KILLED}:
        raise NotKilled(f"step {step}: the work ended with {status}")
    return status


@contextmanager
def _killed_before(step: int) -> Iterator[None]:
    """Count calls and statements of this process, and kill it before the one of that number."""
    left = step

    def count() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def counted(call: Callable[..., Any]) -> Callable[..., Any]:
        def counting(*arguments: Any, **named: Any) -> Any:
            count()
            return call(*arguments, **named)

        return counting

    def trace(_cursor: object, _statement: str, _bindings: object) -> bool:
        count()
        return True

    def hook(connection: apsw.Connection) -> None:
        connection.exec_trace = trace

    for name in _CALLS:
        setattr(os, name, counted(getattr(os, name)))
    apsw.connection_hooks.append(hook)
    yield
