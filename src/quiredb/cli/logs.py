"""What the server writes to stderr: a line for each event, for people or machines. Never texts, vectors or keys."""

import logging
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

import orjson

ACCESS = "quiredb.access"
_CHATTY = ("httpx", "httpcore", "numba", "asyncio")
_WINDOW_SECONDS = 60.0
_REPEATS_MAX = 10
_KINDS_MAX = 1_000


def configure_logs(level: str, style: str) -> None:
    """Send everything from `level` on to stderr, as `style` says: text or json."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if style == "json" else TextLines())
    handler.addFilter(Repeats())
    logging.basicConfig(level=level.upper(), handlers=[handler])
    # Lines do not name threads, processes or tasks, so records need not look for them (logging HOWTO, Optimization).
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging.getLogger("uvicorn").setLevel(logging.WARNING)  # its own lines would only repeat ours
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)


class TextLines(logging.Formatter):
    """Time, level, message, and the stack of an error below it."""

    def __init__(self) -> None:
        super().__init__("%(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """One record."""
        text = record.getMessage() if record.name == ACCESS else super().format(record)
        return f"{_time(record)} {record.levelname.lower()} {text}"


class JsonLines(logging.Formatter):
    """An object on each line: time (UTC, microseconds), level, event, and what belongs to the event.

    The event `request` has its own members, written where requests are measured; any other is `message`, with where it
    comes from, and the stack when it is a bug.
    """

    def format(self, record: logging.LogRecord) -> str:
        """One record."""
        message = record.getMessage()
        if record.name == ACCESS:
            return f'{{"time":"{_time(record)}","level":"{record.levelname.lower()}",{message[1:]}'
        line = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "event": "message",
            "source": record.name,
            "message": message,
        }
        if record.exc_info:
            line["stack"] = self.formatException(record.exc_info)
        return orjson.dumps(line).decode()


@dataclass(slots=True)
class _Kind:
    """Records of one kind in the present window."""

    since: float
    written: int = 0
    dropped: int = 0


class Repeats(logging.Filter):
    """Lets ten records of a kind (logger, level, message before its values are filled in) pass in a minute.

    The first one after that says how many were left out. Requests are not of a kind: each has its line.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._kinds: dict[tuple[str, int, str], _Kind] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to write it."""
        if record.name == ACCESS:
            return True
        now = self._clock()
        kind = self._kind((record.name, record.levelno, str(record.msg)), now)
        if now - kind.since > _WINDOW_SECONDS:
            if kind.dropped:
                record.msg, record.args = f"{record.getMessage()} ({kind.dropped} like this were left out)", ()
            kind.since, kind.written, kind.dropped = now, 0, 0
        if kind.written >= _REPEATS_MAX:
            kind.dropped += 1
            return False
        kind.written += 1
        return True

    def _kind(self, name: tuple[str, int, str], now: float) -> _Kind:
        if name not in self._kinds and len(self._kinds) >= _KINDS_MAX:
            self._kinds.clear()
        return self._kinds.setdefault(name, _Kind(now))


def _time(record: logging.LogRecord) -> str:
    second, microsecond = divmod(round(record.created * 1e6), 1_000_000)
    return f"{_second(second)}.{microsecond:06}Z"


@lru_cache(maxsize=2)
def _second(second: int) -> str:
    """A time without its fraction: the same for all lines of a second."""
    return datetime.fromtimestamp(second, UTC).replace(tzinfo=None).isoformat()
