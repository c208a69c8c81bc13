"""The lines of a request body while it arrives: received on the event loop, read from a worker thread.

The worker takes what has arrived when it needs more, so the sender is slowed to the speed of the commits.
"""

from collections.abc import Iterator

import anyio.from_thread
from starlette.requests import ClientDisconnect

from quiredb.api.read_ahead import ReadAhead
from quiredb.domain.errors import TooLarge, Unavailable


class LineStream:
    """Numbered lines of a body. Iterate it in a thread that anyio started."""

    def __init__(self, body: ReadAhead, line_bytes_max: int) -> None:
        self._body = body
        self._line_bytes_max = line_bytes_max

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        """(line number from 1, line without its line feed), blank lines left out.

        Raises:
            TooLarge: a line exceeds the limit.
            Unavailable: the sender went away before the end.
        """
        for number, line in enumerate(self._lines(), start=1):
            if len(line) > self._line_bytes_max:
                raise self._too_large()
            if line and not line.isspace():
                yield number, line

    def _lines(self) -> Iterator[bytes]:
        pending: list[bytes] = []
        pending_bytes = 0
        while part := self._next_part():
            *complete, rest = part.split(b"\n")
            if complete:
                complete[0] = b"".join([*pending, complete[0]])
                pending, pending_bytes = [], 0
                yield from complete
            pending.append(rest)
            pending_bytes += len(rest)
            if pending_bytes > self._line_bytes_max:
                raise self._too_large()
        yield b"".join(pending)

    def _too_large(self) -> TooLarge:
        return TooLarge(f"A line has at most {self._line_bytes_max} bytes. Send its chunks as lines of their own.")

    def _next_part(self) -> bytes:
        """The next bytes, empty at the end."""
        try:
            return anyio.from_thread.run(self._body.take)
        except ClientDisconnect:
            raise Unavailable("The connection broke before the end of the import.") from None
