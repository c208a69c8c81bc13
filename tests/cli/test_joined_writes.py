"""What is written in one turn of the event loop leaves together, in order, and before the connection closes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from quiredb.cli.joined_writes import JoinedWrites

LARGE = b"x" * (64 * 1024)


class Wire(asyncio.Transport):
    """Remembers what left, in pieces."""

    def __init__(self) -> None:
        super().__init__(extra={"peername": "somebody"})
        self.pieces: list[bytes] = []
        self.closed = False

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        assert not self.closed
        self.pieces.append(b"".join(list_of_data))

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True


async def _made() -> tuple[Wire, JoinedWrites]:
    wire = Wire()
    return wire, JoinedWrites(wire, asyncio.get_running_loop())


def test_writes_of_one_turn_leave_together() -> None:
    async def write() -> None:
        wire, joined = await _made()
        joined.write(b"head ")
        joined.write(b"body")
        assert wire.pieces == []
        await asyncio.sleep(0)
        joined.write(b"next")
        await asyncio.sleep(0)
        assert wire.pieces == [b"head body", b"next"]

    asyncio.run(write())


def test_a_large_write_leaves_at_once_behind_what_waits() -> None:
    async def write() -> None:
        wire, joined = await _made()
        joined.write(b"head ")
        joined.write(LARGE)
        assert wire.pieces == [b"head " + LARGE]
        joined.write(b"end")
        await asyncio.sleep(0)
        assert wire.pieces == [b"head " + LARGE, b"end"]

    asyncio.run(write())


def test_closing_sends_what_waits_and_nothing_is_sent_after_it() -> None:
    async def write() -> None:
        wire, joined = await _made()
        joined.write(b"last words")
        joined.close()
        joined.write(b"too late")
        await asyncio.sleep(0)
        assert wire.closed
        assert wire.pieces == [b"last words"]
        assert joined.get_extra_info("peername") == "somebody"

    asyncio.run(write())
