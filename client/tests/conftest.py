"""A Quire server that fits in a page: enough of the REST contract to see what the client sends."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator

import httpx
import orjson
import pytest
from quiredb_client import AsyncClient, Client, RetryPolicy

NO_WAITING = RetryPolicy(retries=2, first_delay=0.0)


class FakeServer:
    """Keeps what an import writes, answers what it is told to, and remembers every request."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.requests: list[httpx.Request] = []
        self.scripted: deque[httpx.Response | Exception] = deque()
        self.routes: dict[tuple[str, str], Callable[[httpx.Request], httpx.Response]] = {}
        self.written: list[dict] = []
        self.position = 0
        self.largest_body = 1 << 30
        self.errors_told = 20
        self.gate: Callable[[httpx.Request], None] = lambda request: None

    def script(self, *answers: httpx.Response | Exception) -> None:
        """Answer the next requests with these before anything else."""
        self.scripted.extend(answers)

    def route(self, method: str, path: str, answer: object, status: int = 200, **headers: str) -> None:
        """Answer a path with JSON, or with what a function makes of the request."""
        body = orjson.dumps(answer) if not callable(answer) else b""
        self.routes[method, path] = (
            answer if callable(answer) else lambda request: httpx.Response(status, content=body, headers=headers)
        )

    def handle(self, request: httpx.Request) -> httpx.Response:
        with self.lock:
            self.requests.append(request)
            scripted = self.scripted.popleft() if self.scripted else None
        self.gate(request)
        if isinstance(scripted, Exception):
            raise scripted
        if scripted is not None:
            return scripted
        if request.url.path.endswith("/import"):
            return self.import_lines(request)
        route = self.routes.get((request.method, request.url.path))
        return route(request) if route else problem(404, "not-found")

    def import_lines(self, request: httpx.Request) -> httpx.Response:
        if len(request.content) > self.largest_body:
            return problem(413, "too-large")
        errors = []  # told in no useful order, as the contract allows
        with self.lock:
            for number, raw in enumerate(request.content.splitlines(), start=1):
                item = line_or_none(raw)
                if item is None or item.get("text") == "bad":
                    errors.append({"line": number, "code": "bad-line", "detail": "bad", "pointer": "/text"})
                else:
                    self.written.append(item)
            self.position += 1
            position = self.position
        errors.reverse()
        answer = {"failed": len(errors), "errors": errors[: self.errors_told]}
        return httpx.Response(200, json=answer, headers={"x-quire-position": str(position)})

    def sent(self, number: int = -1) -> dict:
        """The JSON of a request."""
        return orjson.loads(self.requests[number].content)


def line_or_none(raw: bytes) -> dict | None:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None


def problem(status: int, code: str, **more: object) -> httpx.Response:
    """A problem document."""
    body = {"title": code, "status": status, "code": code, "detail": f"{code} happened", "request_id": "r-1", **more}
    return httpx.Response(status, json=body, headers={"content-type": "application/problem+json"})


@pytest.fixture
def make_problem() -> Callable[..., httpx.Response]:
    return problem


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> FakeServer:
    for name in ("QUIRE_URL", "QUIRE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    return FakeServer()


@pytest.fixture
def client(server: FakeServer) -> Iterator[Client]:
    with Client(transport=httpx.MockTransport(server.handle), retries=NO_WAITING) as client:
        yield client


@pytest.fixture
def async_client(server: FakeServer) -> Callable[..., AsyncClient]:
    """A maker, because an asynchronous client belongs to the event loop that uses it."""
    return lambda handle=server.handle: AsyncClient(transport=httpx.MockTransport(handle), retries=NO_WAITING)
