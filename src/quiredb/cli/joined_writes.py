"""Answers leave in one piece: uvicorn writes headers and body apart, and each write is a visit to the kernel."""

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_LARGE_BYTES = 64 * 1024


class JoinedWrites:
    """A transport whose small writes wait for the end of the event loop's turn and leave together.

    A large one leaves at once with what waits before it, so that the sender is told early when to pause. Everything
    else is the transport's own.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._waiting: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send the bytes in this turn of the loop."""
        self._waiting.append(data)
        if len(data) >= _LARGE_BYTES:
            self._send()
        elif len(self._waiting) == 1:
            self._loop.call_soon(self._send)

    def close(self) -> None:
        """Send what waits, and close."""
        self._send()
        self._transport.close()

    def _send(self) -> None:
        waiting, self._waiting = self._waiting, []
        if waiting and not self._transport.is_closing():
            self._transport.writelines(waiting)


class JoiningProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol over `JoinedWrites`."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected."""
        joined = JoinedWrites(cast(asyncio.Transport, transport), self.loop)
        super().connection_made(cast(asyncio.Transport, joined))
