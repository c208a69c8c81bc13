"""The lines of a request body while it arrives: an async stream read from a worker thread.

The worker asks for the next part when it needs one, so the sender is slowed to the speed of the commits.
"""

from collections.abc import AsyncIterator, Iterator

import anyio.from_thread
from starlette.requests import ClientDisconnect

from quiredb.domain.errors import TooLarge, Unavailable


class LineStream:
    """Numbered lines of a body. Iterate it in a thread that anyio started."""

    def __init__(self, body: AsyncIterator[bytes], line_bytes_max: int) -> None:
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
            return anyio.from_thread.run(self._receive)
        except ClientDisconnect:
            raise Unavailable("The connection broke before the end of the import.") from None

    async def _receive(self) -> bytes:
        async for part in self._body:
            if part:
                return part
        return b""
