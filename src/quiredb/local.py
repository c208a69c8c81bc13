"""Quire in process: the SDK's client over the same application, without a socket."""

import asyncio
import queue
import threading
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import httpx

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Application: TypeAlias = Callable[[Message, Receive, Send], Awaitable[None]]

_UNREAD_MESSAGES_MAX = 16


class ApplicationTransport(httpx.BaseTransport):
    """An httpx transport that calls an ASGI application on an event loop in a thread of its own.

    Bodies stream both ways with bounded memory. `on_close` runs once, when the client is closed.
    """

    def __init__(self, application: Application, on_close: Callable[[], None]) -> None:
        self._application = application
        self._on_close = on_close
        self._exchanges: dict[asyncio.Task[None], _Exchange] = {}
        self._closing = asyncio.Event()
        self._closed = False
        self._lock = threading.Lock()
        self._loop = asyncio.new_event_loop()
        # A daemon, and with it the threads that the application starts from it: a client that is never closed
        # does not keep the interpreter from ending.
        self._thread = threading.Thread(target=self._run, name="quire-local", daemon=True)
        self._thread.start()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer one request; the answer's body is read while the application writes it.

        Raises:
            httpx.ConnectError: the client was closed.
            httpx.RemoteProtocolError: the application failed, or the client is being closed.
        """
        exchange = _Exchange(request, self._loop)
        with self._lock:
            if self._closed:
                raise httpx.ConnectError("This client was closed.", request=request)
            self._loop.call_soon_threadsafe(self._begin, exchange)
        try:
            start = exchange.next_message()
        except BaseException:
            exchange.abandon()
            raise
        return httpx.Response(start["status"], headers=start["headers"], stream=_Body(exchange), request=request)

    def close(self) -> None:
        """Break off the requests under way, end the thread, and release what the application holds."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._loop.call_soon_threadsafe(self._closing.set)
        self._thread.join()
        self._on_close()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        """The loop's main task: it ends once every exchange that was begun has ended."""
        await self._closing.wait()
        for exchange in self._exchanges.values():
            exchange.disconnect()
        if self._exchanges:
            await asyncio.wait(self._exchanges)

    def _begin(self, exchange: "_Exchange") -> None:
        task = self._loop.create_task(exchange.run(self._application))
        self._exchanges[task] = exchange
        task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[None]) -> None:
        self._exchanges.pop(task).end(task)


@dataclass(frozen=True, slots=True)
class _Ended:
    """The application returned, or raised."""

    error: BaseException | None


class _Wanted:
    """The application waits for the next part of the request's body."""


_WANTED = _Wanted()


class _Exchange:
    """One request and its answer, crossing between the caller's thread and the loop's.

    Neither side ever blocks the other's thread: the loop waits for room with its own events, and the parts of a
    request's body are made by the caller's thread, whenever the application asks and the caller listens.
    """

    def __init__(self, request: httpx.Request, loop: asyncio.AbstractEventLoop) -> None:
        self._request = request
        self._loop = loop
        assert isinstance(request.stream, httpx.SyncByteStream)
        self._parts = iter(request.stream)
        # From the loop to the caller; `_unread` counts the application's messages in it and belongs to the loop.
        self._messages: queue.SimpleQueue[Message | _Ended | _Wanted] = queue.SimpleQueue()
        self._unread = 0
        # From the caller to the loop; all of it is touched by the loop's thread only.
        self._body: list[bytes | None] = []
        if isinstance(request.stream, httpx.ByteStream):
            self._body = [b"".join(request.stream), None]
        self._body_ended = False
        self._disconnected = False
        self._moved = asyncio.Event()

    async def run(self, application: Application) -> None:
        """Call the application; runs on the loop."""
        await application(self._scope(), self._receive, self._send)

    def end(self, task: asyncio.Task[None]) -> None:
        """The application is done; called by the loop."""
        self._messages.put(_Ended(None if task.cancelled() else task.exception()))

    def disconnect(self) -> None:
        """Let the application know that nobody listens; what it still sends is dropped. Called by the loop."""
        self._disconnected = True
        self._moved.set()

    def next_message(self) -> Message:
        """The application's next message; called by the caller's thread, which also makes the body's parts here.

        Raises:
            httpx.RemoteProtocolError: the application ended before its answer did.
        """
        while True:
            message = self._messages.get()
            if isinstance(message, _Wanted):
                self._tell_loop(self._take_part, next(self._parts, None))
                continue
            if isinstance(message, _Ended):
                raise httpx.RemoteProtocolError(
                    "The application ended before its answer did.", request=self._request
                ) from message.error
            self._tell_loop(self._count_read)
            return message

    def abandon(self) -> None:
        """The caller reads no further; called by the caller's thread."""
        self._tell_loop(self.disconnect)

    def finish(self) -> None:
        """The answer is complete: wait until the application is done, so that its log and metrics know the request."""
        self.abandon()
        while not isinstance(self._messages.get(), _Ended):
            continue

    def _tell_loop(self, callback: Callable[..., None], *arguments: object) -> None:
        try:
            self._loop.call_soon_threadsafe(callback, *arguments)
        except RuntimeError:  # the loop was closed, so nobody waits for what was told
            return

    def _take_part(self, part: bytes | None) -> None:
        self._body.append(part)
        self._moved.set()

    def _count_read(self) -> None:
        self._unread -= 1
        self._moved.set()

    async def _receive(self) -> Message:
        if not self._body_ended and not self._body:
            self._messages.put(_WANTED)
        while not self._disconnected and (self._body_ended or not self._body):
            await self._wait()
        if self._disconnected:
            return {"type": "http.disconnect"}
        part = self._body.pop(0)
        self._body_ended = part is None or self._body == [None]
        return {"type": "http.request", "body": part or b"", "more_body": not self._body_ended}

    async def _send(self, message: Message) -> None:
        while self._unread >= _UNREAD_MESSAGES_MAX and not self._disconnected:
            await self._wait()
        if self._disconnected:
            return
        self._unread += 1
        self._messages.put(message)

    async def _wait(self) -> None:
        """Wait until the caller did something; everyone who waits looks again."""
        self._moved.clear()
        await self._moved.wait()

    def _scope(self) -> Message:
        url = self._request.url
        return {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": self._request.method,
            "scheme": url.scheme,
            "path": url.path,
            "raw_path": url.raw_path.partition(b"?")[0],
            "query_string": url.query,
            "root_path": "",
            "headers": [(name.lower(), value) for name, value in self._request.headers.raw],
            "client": ("127.0.0.1", 0),
            "server": (url.host, url.port),
        }


class _Body(httpx.SyncByteStream):
    """The body of an answer, part by part."""

    def __init__(self, exchange: _Exchange) -> None:
        self._exchange = exchange

    def __iter__(self) -> Iterator[bytes]:
        more = True
        while more:
            message = self._exchange.next_message()
            assert message["type"] == "http.response.body"
            more = message.get("more_body", False)
            if message.get("body"):
                yield message["body"]
        self._exchange.finish()

    def close(self) -> None:
        self._exchange.abandon()
