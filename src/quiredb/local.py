"""Quire in process: the SDK's client over the same application, without a socket."""

import asyncio
import queue
import threading
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any, TypeAlias

import httpx

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Application: TypeAlias = Callable[[Message, Receive, Send], Awaitable[None]]

_END = object()
_QUEUED_MESSAGES = 16


class ApplicationTransport(httpx.BaseTransport):
    """An httpx transport that calls an ASGI application on an event loop in a thread of its own.

    Bodies stream both ways with bounded memory. `on_close` runs once, when the client is closed.
    """

    def __init__(self, application: Application, on_close: Callable[[], None]) -> None:
        self._application = application
        self._on_close = on_close
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="quire-local", daemon=True)
        self._thread.start()
        self._closed = False

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer one request; the answer's body is read while the application writes it."""
        if self._closed:
            raise httpx.ConnectError("This client was closed.", request=request)
        exchange = _Exchange(request, self._loop)
        future = asyncio.run_coroutine_threadsafe(exchange.run(self._application), self._loop)
        start = exchange.next_message()
        if start is _END:
            future.result()
            raise httpx.RemoteProtocolError("The application ended without an answer.", request=request)
        return httpx.Response(start["status"], headers=start["headers"], stream=_Body(exchange), request=request)

    def close(self) -> None:
        """Stop the loop and release what the application holds."""
        if self._closed:
            return
        self._closed = True
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._on_close()


class _Exchange:
    """One request and its answer, crossing between the caller's thread and the loop's."""

    def __init__(self, request: httpx.Request, loop: asyncio.AbstractEventLoop) -> None:
        self._request = request
        assert isinstance(request.stream, httpx.SyncByteStream)
        self._in_memory = isinstance(request.stream, httpx.ByteStream)
        self._chunks = iter(request.stream)
        self._body_ended = False
        self._disconnected = asyncio.Event()
        self._messages: queue.Queue[Any] = queue.Queue(_QUEUED_MESSAGES)
        self._loop = loop
        self._abandoned = threading.Event()

    async def run(self, application: Application) -> None:
        """Call the application; runs on the loop."""
        try:
            await application(self._scope(), self._receive, self._send)
        finally:
            await self._put(_END)

    def next_message(self) -> Any:
        """The next message that the application sent, or the end; called by the caller's thread."""
        return self._messages.get()

    def abandon(self) -> None:
        """The caller reads no further: what the application still sends is dropped."""
        self._abandoned.set()
        self._loop.call_soon_threadsafe(self._disconnected.set)
        while not self._messages.empty():
            self._messages.get_nowait()

    async def _receive(self) -> Message:
        if self._body_ended:
            await self._disconnected.wait()
            return {"type": "http.disconnect"}
        chunk = next(self._chunks, None) if self._in_memory else await self._chunk_from_generator()
        self._body_ended = chunk is None
        return {"type": "http.request", "body": chunk or b"", "more_body": chunk is not None}

    async def _chunk_from_generator(self) -> bytes | None:
        return await self._loop.run_in_executor(None, next, self._chunks, None)

    async def _send(self, message: Message) -> None:
        await self._put(message)

    async def _put(self, message: Any) -> None:
        if self._abandoned.is_set():
            return
        try:
            self._messages.put_nowait(message)
        except queue.Full:
            await self._loop.run_in_executor(None, self._messages.put, message)

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
    """The body of an answer, chunk by chunk."""

    def __init__(self, exchange: _Exchange) -> None:
        self._exchange = exchange

    def __iter__(self) -> Iterator[bytes]:
        while (message := self._exchange.next_message()) is not _END:
            if message["type"] == "http.response.body" and message.get("body"):
                yield message["body"]

    def close(self) -> None:
        self._exchange.abandon()
