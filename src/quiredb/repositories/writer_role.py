"""The writer's role of one library: a lock that tells since when somebody holds it."""

import threading
import time
from types import TracebackType


class WriterRole:
    """A lock for `with`. Whoever holds it is the one that may change the library's state."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holder: tuple[int, float] | None = None

    def __enter__(self) -> None:
        self._lock.acquire()
        self._holder = threading.get_ident(), time.monotonic()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._holder = None
        self._lock.release()

    def held(self) -> tuple[int, float] | None:
        """The identity of the thread that has the role and since when (monotonic clock); None while nobody has it."""
        return self._holder
