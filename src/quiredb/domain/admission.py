"""What keeps a process from taking more than there is: a budget of memory, a bounded number of places."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from quiredb.domain.errors import Overloaded

_MEASURED_FOR_SECONDS = 0.02
_MEBIBYTE = 1024 * 1024


class MemoryBudget:
    """Admits work that fits between what the process holds and its limit.

    `resident` says what the process holds now, in bytes that the system cannot take back. What was reserved counts
    beside it until it is released, so that many requests that begin at once cannot all have the same free bytes.
    Without a limit everything is admitted. Thread-safe.
    """

    def __init__(
        self, limit: int | None, resident: Callable[[], int], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.limit = limit
        self._resident = resident
        self._clock = clock
        self._lock = threading.Lock()
        self._reserved = 0
        self._used = 0
        self._measured_at = float("-inf")

    @classmethod
    def unlimited(cls) -> "MemoryBudget":
        """Admits everything."""
        return cls(None, lambda: 0)

    @property
    def reserved(self) -> int:
        """Bytes that admitted work may still take."""
        return self._reserved

    def used(self) -> int:
        """Bytes that the process holds, as of a moment ago."""
        now = self._clock()
        if now - self._measured_at > _MEASURED_FOR_SECONDS:
            self._used = self._resident()
            self._measured_at = now
        return self._used

    def is_exhausted(self) -> bool:
        """Whether the process holds more than it may, so that nothing should begin."""
        return self.limit is not None and self.used() > self.limit

    def require_room(self) -> None:
        """Raise `Overloaded` while the budget is exhausted."""
        if self.is_exhausted():
            raise Overloaded("The server's memory is used up; try again shortly, or give it a higher --memory-limit.")

    def reserve(self, size: int) -> "Reservation":
        """Set bytes aside until the reservation is released. `Overloaded` when they are not there."""
        reservation = Reservation(self)
        reservation.grow(size)
        return reservation

    def take(self, size: int) -> None:
        """Count bytes as reserved; `Overloaded` when they are not there."""
        if self.limit is None:
            return
        with self._lock:
            if self.used() + self._reserved + size > self.limit:
                raise Overloaded(
                    f"This needs about {size // _MEBIBYTE + 1} MiB of memory, and the server has not that much left of "
                    f"{self.limit // _MEBIBYTE} MiB; try again shortly, send less at once, or raise --memory-limit."
                )
            self._reserved += size

    def give_back(self, size: int) -> None:
        """Bytes that were taken are free again."""
        if self.limit is None:
            return
        with self._lock:
            self._reserved -= size


class Reservation:
    """Bytes of a budget, for `with`. It can grow while it lasts; one owner uses it."""

    def __init__(self, budget: MemoryBudget) -> None:
        self._budget = budget
        self._size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def grow(self, size: int) -> None:
        """Set more bytes aside. `Overloaded` when they are not there; what was set aside stays."""
        self._budget.take(size)
        self._size += size

    def shrink(self, size: int) -> None:
        """Give some of it back."""
        self._budget.give_back(size)
        self._size -= size

    def release(self) -> None:
        """Give everything back."""
        self.shrink(self._size)


class Places:
    """A bounded number of callers at once. Who finds none is refused instead of waiting. Thread-safe."""

    def __init__(self, count: int, what: str) -> None:
        self._count = count
        self._what = what
        self._taken = 0
        self._lock = threading.Lock()

    @property
    def taken(self) -> int:
        """How many are taken now."""
        return self._taken

    @contextmanager
    def one(self) -> Iterator[None]:
        """A place for the block; `Overloaded` when all are taken."""
        with self._lock:
            if self._taken >= self._count:
                raise Overloaded(f"{self._count} {self._what} wait already; try again shortly.")
            self._taken += 1
        try:
            yield
        finally:
            with self._lock:
                self._taken -= 1
