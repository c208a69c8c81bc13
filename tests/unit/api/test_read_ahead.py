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
        self.ended = False
        self._parts = parts
        self._failure = failure

    async def body(self) -> AsyncIterator[bytes]:
        try:
            for part in self._parts:
                self.given += 1
                yield part
            if self._failure is not None:
                raise self._failure
        finally:
            self.ended = True


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


@pytest.mark.parametrize("failure", [None, ConnectionError("gone")])
def test_closing_ends_the_receiving(failure: Exception | None, caplog: pytest.LogCaptureFixture) -> None:
    async def ask() -> None:
        endless, failing = Sender([PART] * 50), Sender([b"a"], failure)
        async with ReadAhead(endless.body()) as body, ReadAhead(failing.body()):
            await body.take()
        given = endless.given
        await _let_others_work()
        assert endless.given == given < 20
        assert failing.ended

    asyncio.run(ask())
    gc.collect()
    assert "never retrieved" not in caplog.text
