"""A wall clock that jumps as a rig says, and bugs that only such a clock shows."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Self

from quiredb.domain import identifiers, times
from quiredb.domain.times import now, to_microseconds
from quiredb.storage.staging import Staging
from reliability.wall_clock import CLOCK_VARIABLE, Clock

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def follow() -> None:
    """A trouble: the wall clock of this process is what the file of the rig makes of the true one."""
    clock = Clock(os.environ[CLOCK_VARIABLE])

    class JumpingDatetime(datetime):
        """Parses and counts as any other; only the present is another one."""

        fromisoformat = datetime.fromisoformat

        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return (_EPOCH + timedelta(microseconds=clock.nanoseconds() // 1_000)).astimezone(tz)  # type: ignore[return-value]

    times.datetime = JumpingDatetime
    time.time_ns = clock.nanoseconds
    time.time = lambda: clock.nanoseconds() / 1e9


def order_by_clock() -> None:
    """A command's position is the time at which it came."""
    honest = Staging.__init__

    def staging(self: Staging, *arguments: Any) -> None:
        honest(self, *arguments)
        self.position = to_microseconds(now())

    Staging.__init__ = staging


def identify_by_clock() -> None:
    """The identifiers that the server makes are times, and nothing else."""
    identifiers.os.urandom = bytes


def measure_by_wall_clock() -> None:
    """Durations are differences of wall clock times."""
    time.perf_counter = time.time


def wait_by_wall_clock() -> None:
    """Background work waits, and is watched, by the wall clock."""
    time.monotonic = time.time
