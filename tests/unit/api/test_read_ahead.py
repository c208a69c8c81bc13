"""A body is received ahead of its reader: in order, bounded, and until it is closed."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator

import pytest

from quiredb.api.read_ahead import ReadAhead

PART = b"x" * (1024 * 1024)
AHEAD_PARTS = 4
TURNS = 100


class Sender:
    """A body that counts the parts it gave, and ends with `failure` if there is one."""

    def __init__(self, parts: list[bytes], failure: Exception | None = None) -> None:
        self.given = 0
        self._parts = parts
        self._failure = failure

    async def body(self) -> AsyncIterator[bytes]:
        for part in self._parts:
            self.given += 1
            yield part
        if self._failure is not None:
            raise self._failure


async def _let_others_work() -> None:
    for _ in range(TURNS):
        await asyncio.sleep(0)


def test_everything_comes_in_order_and_then_nothing() -> None:
    async def ask() -> None:
        parts = [bytes([number]) * number for number in range(200)]
        async with ReadAhead(Sender(parts).body()) as body:
            taken = b""
            while some := await body.take():
                taken += some
            assert taken == b"".join(parts)
            assert await body.take() == b""

    asyncio.run(ask())


def test_parts_arrive_while_the_reader_works_up_to_a_bound() -> None:
    async def ask() -> None:
        sender = Sender([PART] * 20)
        async with ReadAhead(sender.body()) as body:
            await _let_others_work()
            assert sender.given == AHEAD_PARTS + 1
            assert len(await body.take()) == AHEAD_PARTS * len(PART)
            await _let_others_work()
            assert sender.given == 2 * AHEAD_PARTS + 1

    asyncio.run(ask())


def test_what_arrived_before_the_end_broke_off_is_read_first() -> None:
    async def ask() -> None:
        async with ReadAhead(Sender([b"a", b"b"], ConnectionError("gone")).body()) as body:
            await _let_others_work()
            assert await body.take() == b"ab"
            for _ in range(2):
                with pytest.raises(ConnectionError, match="gone"):
                    await body.take()

    asyncio.run(ask())


def test_closing_ends_the_receiving() -> None:
    async def ask() -> None:
        sender = Sender([PART] * 50)
        async with ReadAhead(sender.body()) as body:
            await body.take()
        given = sender.given
        await _let_others_work()
        assert sender.given == given < 20

    asyncio.run(ask())


def test_a_body_that_broke_off_unread_is_not_complained_about(caplog: pytest.LogCaptureFixture) -> None:
    async def ask() -> None:
        async with ReadAhead(Sender([b"a"], ConnectionError("gone")).body()):
            await _let_others_work()

    asyncio.run(ask())
    gc.collect()
    assert not caplog.records
