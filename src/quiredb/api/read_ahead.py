"""A request body that is received while its reader works on what came before."""

import asyncio
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self

_AHEAD_BYTES = 4 * 1024 * 1024


class ReadAhead:
    """Receives parts of a body, while it is open, some MiB ahead of `take`. The sender still waits for the reader.

    All of it runs on one event loop.
    """

    def __init__(self, body: AsyncIterator[bytes]) -> None:
        self._body = body
        self._parts: list[bytes] = []
        self._bytes = 0
        self._arrived = asyncio.Event()
        self._room = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._receiving = asyncio.create_task(self._receive())
        self._receiving.add_done_callback(lambda _: self._arrived.set())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._receiving.cancel()
        await asyncio.wait([self._receiving])

    async def take(self) -> bytes:
        """All that has arrived, at least one byte; nothing at the end. Raises what broke the body off."""
        while not self._bytes and not self._receiving.done():
            self._arrived.clear()
            await self._arrived.wait()
        taken = b"".join(self._parts)
        self._parts, self._bytes = [], 0
        self._room.set()
        if not taken:
            self._receiving.result()
        return taken

    async def _receive(self) -> None:
        async for part in self._body:
            while self._bytes >= _AHEAD_BYTES:
                self._room.clear()
                await self._room.wait()
            self._parts.append(part)
            self._bytes += len(part)
            self._arrived.set()
