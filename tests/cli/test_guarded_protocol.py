"""Slow and greedy clients of a connection whose seconds pass when they are told to."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest
from uvicorn import Config
from uvicorn.server import ServerState

from quiredb.cli.guarded_protocol import GuardedProtocol, guarded

HEAD = b"POST /v1/x HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"


class Transport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closing = self.aborted = False
        self.unread = 0

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.closing = True

    def abort(self) -> None:
        self.closing = self.aborted = True

    def get_write_buffer_size(self) -> int:
        return self.unread

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    @property
    def answers(self) -> list[int]:
        return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", self.written)]


Connect = Callable[..., tuple[GuardedProtocol, Transport]]


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    made = asyncio.new_event_loop()
    yield made
    made.run_until_complete(asyncio.sleep(0))
    made.close()


async def _reads(_scope: Any, receive: Any, send: Any) -> None:
    """Takes the body in and answers."""
    message = {"more_body": True}
    while message.get("more_body"):
        message = await receive()
    if message["type"] == "http.request":
        await _answer(send, 200)


async def _refuses(_scope: Any, _receive: Any, send: Any) -> None:
    """Answers without a look at the body."""
    await _answer(send, 401)


async def _answer(send: Any, status: int) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


@pytest.fixture
def connect(loop: asyncio.AbstractEventLoop) -> Iterator[Connect]:
    """Makes connections to an application that reads bodies."""
    yield from _connecting(loop, _reads)


@pytest.fixture
def refusing(loop: asyncio.AbstractEventLoop) -> Iterator[Connect]:
    """Makes connections to an application that refuses."""
    yield from _connecting(loop, _refuses)


def _connecting(loop: asyncio.AbstractEventLoop, app: Any) -> Iterator[Connect]:
    config = Config(app, ws="none", lifespan="off", log_config=None)
    state = ServerState()
    made: list[GuardedProtocol] = []

    def make(connections_max: int = 10) -> tuple[GuardedProtocol, Transport]:
        protocol = guarded(connections_max)(config=config, server_state=state, app_state={}, _loop=loop)
        transport = Transport()
        protocol.connection_made(transport)
        made.append(protocol)
        return protocol, transport

    yield make
    for protocol in made:
        protocol.connection_lost(ConnectionResetError())
    run(loop)


def run(loop: asyncio.AbstractEventLoop) -> None:
    for _ in range(5):
        loop.run_until_complete(asyncio.sleep(0))


def seconds(protocol: GuardedProtocol, count: int) -> None:
    for _ in range(count):
        protocol.look()


@pytest.mark.parametrize("begun", [b"", b"GET /v1/limits HTTP/1.1\r\nhost: a\r\n"])
def test_a_head_has_ten_seconds(connect: Connect, loop: asyncio.AbstractEventLoop, begun: bytes) -> None:
    protocol, transport = connect()
    if begun:
        protocol.data_received(begun)
    seconds(protocol, 10)
    assert not transport.closing
    protocol.data_received(b"x-a: b\r\n" if begun else b"")
    seconds(protocol, 1)
    run(loop)

    assert (transport.answers, transport.closing) == ([408], True)
    assert orjson.loads(transport.written.split(b"\r\n\r\n")[1])["code"] == "request-timeout"


@pytest.mark.parametrize(("sent_each_second", "answers"), [(1, [408]), (8_191, [408]), (8_192, [])])
def test_a_body_has_a_rate(
    connect: Connect, loop: asyncio.AbstractEventLoop, sent_each_second: int, answers: list[int]
) -> None:
    protocol, transport = connect()
    protocol.data_received(HEAD + b"content-length: 10000000\r\n\r\n")
    for _ in range(30):
        protocol.data_received(b" " * sent_each_second)
        run(loop)
        protocol.look()
    run(loop)

    assert (transport.answers, transport.closing) == (answers, bool(answers))


def test_a_body_that_the_server_does_not_take_in_is_not_slow(connect: Connect, loop: asyncio.AbstractEventLoop) -> None:
    protocol, transport = connect()
    protocol.data_received(HEAD + b"content-length: 10000000\r\n\r\n" + b" " * 70_000)
    seconds(protocol, 100)
    assert not transport.closing
    run(loop)
    seconds(protocol, 21)
    run(loop)
    assert transport.answers == [408]


def test_an_import_may_pause_for_a_minute(connect: Connect, loop: asyncio.AbstractEventLoop) -> None:
    protocol, transport = connect()
    head = HEAD.replace(b"application/json", b"application/x-ndjson")
    protocol.data_received(head + b"content-length: 10000000\r\n\r\n")
    for _ in range(3):
        protocol.data_received(b" ")
        run(loop)
        seconds(protocol, 59)
    assert not transport.closing
    seconds(protocol, 62)
    run(loop)
    assert transport.answers == [408]


def test_a_request_that_is_being_answered_has_time(connect: Connect, loop: asyncio.AbstractEventLoop) -> None:
    protocol, transport = connect()
    protocol.data_received(HEAD + b"content-length: 2\r\n\r\n{}")
    seconds(protocol, 1000)
    assert not transport.closing


@pytest.mark.parametrize("is_closing", [False, True])
def test_a_client_that_does_not_read_is_cut_off(
    connect: Connect, loop: asyncio.AbstractEventLoop, is_closing: bool
) -> None:
    protocol, transport = connect()
    protocol.data_received(HEAD + b"content-length: 2\r\n\r\n{}")
    transport.unread, transport.closing = 1000, is_closing
    seconds(protocol, 61)
    assert not transport.aborted
    seconds(protocol, 1)
    assert transport.aborted


@pytest.mark.parametrize("sent", [b"\r\n", b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"])
def test_what_begins_no_request_after_an_answer_does_not_keep_the_connection(
    connect: Connect, loop: asyncio.AbstractEventLoop, sent: bytes
) -> None:
    protocol, transport = connect()
    protocol.data_received(HEAD + b"content-length: 2\r\n\r\n{}")
    run(loop)
    for _ in range(11):
        protocol.data_received(sent)
        run(loop)
        protocol.look()

    assert transport.closing == (sent == b"\r\n")
    assert 408 not in transport.answers


@pytest.mark.parametrize("media_type", [b"application/json", b"application/x-ndjson"])
@pytest.mark.parametrize("rest", [b"", b" ", b" " * 100_000])
def test_a_body_that_was_refused_must_end_soon(
    refusing: Connect, loop: asyncio.AbstractEventLoop, media_type: bytes, rest: bytes
) -> None:
    protocol, transport = refusing()
    head = HEAD.replace(b"application/json", media_type)
    protocol.data_received(head + b"content-length: 10000000\r\n\r\n ")
    for _ in range(10):
        run(loop)
        protocol.data_received(rest)
        protocol.look()
    assert not transport.closing
    protocol.look()
    run(loop)

    assert (transport.answers, transport.closing) == ([401], True)


def test_a_body_that_was_refused_may_end_and_be_followed(refusing: Connect, loop: asyncio.AbstractEventLoop) -> None:
    protocol, transport = refusing()
    for _ in range(3):
        protocol.data_received(HEAD + b"content-length: 3\r\n\r\n ")
        run(loop)
        seconds(protocol, 9)
        protocol.data_received(b"  ")
        run(loop)
        seconds(protocol, 9)
    assert (transport.answers, transport.closing) == ([401, 401, 401], False)


def test_one_connection_too_many_is_told_so(connect: Connect, loop: asyncio.AbstractEventLoop) -> None:
    connect(2)
    connect(2)
    _, third = connect(2)
    run(loop)

    assert (third.answers, third.closing) == ([503], True)
    assert b"retry-after: 1\r\n" in third.written


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GARBAGE\r\n\r\n", 400),
        (b"FOO / HTTP/1.1\r\nhost: a\r\n\r\n", 405),
        (HEAD + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n", 400),
        (HEAD + b"content-length: 5\r\ncontent-length: 6\r\n\r\n", 400),
        (HEAD + b"content-length: +5\r\n\r\n", 400),
        (b"GET /" + b"x" * 8_192 + b" HTTP/1.1\r\n", 414),
        (b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 101 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nx: " + b"y" * 17_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nx: " + b"y" * 25_000, 431),
    ],
)
def test_what_is_no_request_is_answered_and_closed(
    connect: Connect, loop: asyncio.AbstractEventLoop, sent: bytes, status: int
) -> None:
    for size in (len(sent), 1000):
        protocol, transport = connect(100)
        for begin in range(0, len(sent), size):
            if not transport.closing:
                protocol.data_received(sent[begin : begin + size])
        run(loop)
        assert (transport.answers, transport.closing) == ([status], True)
        assert b"nosniff" in transport.written
