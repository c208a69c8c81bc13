"""The transport between a client and an application in one process: streams, failures, ends. Nothing may hang."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest

from quiredb.local import Application, ApplicationTransport, Message, Receive, Send
from tests.integration.local.conftest import finishes, until

START = {"type": "http.response.start", "status": 200, "headers": []}
BLOCK = b"x" * 1024


def part(body: bytes, *, more: bool) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": more}


@contextmanager
def client_of(application: Application, on_close: Callable[[], None] = lambda: None) -> Iterator[httpx.Client]:
    """A client of the application; leaving it must not hang either."""
    transport = ApplicationTransport(application, on_close)
    client = httpx.Client(base_url="http://test", transport=transport)
    try:
        yield client
    finally:
        finishes(client.close)


def test_a_body_is_pulled_from_the_callers_generator_as_the_application_asks() -> None:
    made: list[int] = []
    seen: list[tuple[int, int]] = []
    makers: set[int] = set()

    def body() -> Iterator[bytes]:
        for number in range(100):
            makers.add(threading.get_ident())
            made.append(number)
            yield BLOCK

    async def application(_: Message, receive: Receive, send: Send) -> None:
        got = 0
        while (message := await receive())["more_body"]:
            got += len(message["body"])
            seen.append((got // len(BLOCK), len(made)))
        await send(START)
        await send(part(str(got).encode(), more=False))

    with client_of(application) as client:
        assert client.post("/", content=body()).text == str(100 * len(BLOCK))

    assert seen == [(number, number) for number in range(1, 101)], "the generator runs ahead of the application"
    assert makers == {threading.get_ident()}, "a generator belongs to the thread that handed it in"


def test_an_answer_may_begin_before_the_body_has_ended() -> None:
    async def echo(_: Message, receive: Receive, send: Send) -> None:
        await send(START)
        while (message := await receive())["more_body"]:
            await send(part(message["body"], more=True))
        await send(part(b"", more=False))

    with client_of(echo) as client:
        sent = [bytes([number]) * 10 for number in range(50)]
        assert client.post("/", content=iter(sent)).content == b"".join(sent)


def test_the_application_waits_for_a_slow_reader() -> None:
    sent: list[int] = []

    async def application(_: Message, receive: Receive, send: Send) -> None:
        await send(START)
        for number in range(1000):
            await send(part(BLOCK, more=True))
            sent.append(number)
        await send(part(b"", more=False))

    with client_of(application) as client, client.stream("GET", "/") as response:
        parts = response.iter_raw()
        for read in range(1, 200):
            assert next(parts) == BLOCK
            until(lambda read=read: len(sent) >= min(read + 10, 1000))
            assert len(sent) <= read + 20, "memory is not bounded"
        assert sum(map(len, parts)) == (1000 - 199) * len(BLOCK)
    assert len(sent) == 1000


def test_an_abandoned_answer_tells_the_application() -> None:
    ended = threading.Event()

    async def application(_: Message, receive: Receive, send: Send) -> None:
        await receive()
        await send(START)
        writing = asyncio.ensure_future(_write_for_ever(send))
        while (await receive())["type"] != "http.disconnect":
            continue
        writing.cancel()
        ended.set()

    with client_of(application) as client:
        for _ in range(3):
            ended.clear()
            with client.stream("GET", "/") as response:
                assert next(response.iter_raw()) == BLOCK
            assert ended.wait(30)


async def _write_for_ever(send: Send) -> None:
    while True:
        await send(part(BLOCK, more=True))
        await asyncio.sleep(0)


def test_an_application_that_fails_midway_breaks_the_answer_off() -> None:
    async def application(_: Message, receive: Receive, send: Send) -> None:
        await send(START)
        await send(part(BLOCK, more=True))
        raise ZeroDivisionError("in the middle")

    with client_of(application) as client:
        with client.stream("GET", "/") as response, pytest.raises(httpx.RemoteProtocolError) as broken:
            assert response.read() == b"never: a cut answer must not look like a whole one"
        assert isinstance(broken.value.__cause__, ZeroDivisionError)


@pytest.mark.parametrize("fails", [True, False])
def test_an_application_without_an_answer_is_an_error(fails: bool) -> None:
    async def application(_: Message, receive: Receive, send: Send) -> None:
        if fails:
            raise ZeroDivisionError("at once")

    with client_of(application) as client, pytest.raises(httpx.RemoteProtocolError):
        client.get("/")


def test_a_body_that_fails_reaches_the_caller_and_ends_the_request() -> None:
    received: list[str] = []
    ended = threading.Event()

    def body() -> Iterator[bytes]:
        yield BLOCK
        raise LookupError("the source dried up")

    async def application(_: Message, receive: Receive, send: Send) -> None:
        while received[-1:] != ["http.disconnect"]:
            received.append((await receive())["type"])
        ended.set()

    with client_of(application) as client:
        with pytest.raises(LookupError, match="dried up"):
            client.post("/", content=body())
        assert ended.wait(30)
    assert received == ["http.request", "http.disconnect"]


def test_closing_ends_requests_under_way_before_it_releases_anything() -> None:
    log: list[str] = []
    waiting = threading.Semaphore(0)

    async def application(scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        await send(START)
        if scope["path"] == "/full":
            await asyncio.wait_for(_fill(send), 30)
        else:
            waiting.release()
            assert (await receive())["type"] == "http.disconnect"
        log.append("ended")

    async def _fill(send: Send) -> None:
        for number in range(40):
            if number == 15:
                waiting.release()
            await send(part(BLOCK, more=True))

    errors: list[BaseException] = []

    def hold(path: str) -> None:
        try:
            client.get(path)
        except httpx.TransportError as error:
            errors.append(error)

    with client_of(application, lambda: log.append("released")) as client:
        streams = [client.send(client.build_request("GET", "/full"), stream=True) for _ in range(2)]
        holder = threading.Thread(target=hold, args=("/waits",))
        holder.start()
        for _ in range(3):
            assert waiting.acquire(timeout=30)
    finishes(holder.join)

    assert log == ["ended", "ended", "ended", "released"]
    assert [type(error) for error in errors] == [httpx.RemoteProtocolError]
    for stream in streams:
        with pytest.raises(httpx.RemoteProtocolError):
            stream.read()
        stream.close()


def test_a_closed_transport_refuses() -> None:
    async def application(_: Message, receive: Receive, send: Send) -> None:
        raise AssertionError("nobody may call it")

    transport = ApplicationTransport(application, lambda: None)
    transport.close()
    with pytest.raises(httpx.ConnectError):
        transport.handle_request(httpx.Request("GET", "http://test/"))
