"""What only a real connection shows: refusals before the body, broken connections, answers while the body comes."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator

import httpx
import orjson
import pytest
import uvicorn
from fastapi import FastAPI

DEADLINE = 20.0


class _Server(uvicorn.Server):
    """Says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()


@pytest.fixture(scope="module")
def address(app: FastAPI) -> Iterator[tuple[str, int]]:
    listener = socket.create_server(("127.0.0.1", 0))
    server = _Server(uvicorn.Config(app, log_config=None, http="httptools", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    assert server.listening.wait(DEADLINE)
    yield listener.getsockname()
    server.should_exit = True
    thread.join(DEADLINE)
    listener.close()


def _head(path: str, length: str, content_type: str = "application/json") -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nhost: test\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n\r\n"
    ).encode()


def _answer(connection: socket.socket) -> tuple[int, dict[str, object]]:
    connection.settimeout(DEADLINE)
    with connection.makefile("rb") as reader:
        status = int(reader.readline().split()[1])
        length = 0
        while (line := reader.readline().strip()) != b"":
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        return status, json.loads(reader.read(length))


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/startupz"])
def test_probes_may_ask_for_the_head_alone(address: tuple[str, int], client: httpx.Client, path: str) -> None:
    with socket.create_connection(address) as connection, connection.makefile("rb") as reader:
        connection.settimeout(DEADLINE)
        connection.sendall(f"HEAD {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n".encode())
        head, _, body = reader.read().partition(b"\r\n\r\n")
    asked = client.get(path)
    assert int(head.split()[1]) == client.head(path).status_code == asked.status_code == 200
    assert f"content-length: {len(asked.content)}".encode() in head.lower()
    assert body == b""


def test_ten_gigabytes_are_refused_before_they_are_sent(address: tuple[str, int], guide: str) -> None:
    with socket.create_connection(address) as connection:
        started = time.monotonic()
        connection.sendall(_head(f"{guide}/search", str(10**10)))
        status, problem = _answer(connection)
    assert (status, problem["code"]) == (413, "too-large")
    assert time.monotonic() - started < 1.0


def test_an_import_that_aborts_answers_while_the_sender_is_still_sending(
    address: tuple[str, int], client: httpx.Client, guide: str
) -> None:
    def lines() -> Iterator[bytes]:
        yield b"not json\n"
        good = orjson.dumps({"document_id": "guide", "text": "x" * 1000, "embedding": [1, 2, 3]}) + b"\n"
        for _ in range(200):
            yield good * 100

    with httpx.Client(base_url=f"http://{address[0]}:{address[1]}", timeout=DEADLINE) as over_http:
        response = over_http.post(f"{guide}/import", content=lines(), headers={"content-type": "application/x-ndjson"})
    assert (response.status_code, response.json()["aborted"]) == (200, True)
    assert client.post(f"{guide}/count", json={}).json()["count"] == 3


def test_a_sender_that_goes_away_leaves_whole_lines_only(
    address: tuple[str, int], client: httpx.Client, guide: str
) -> None:
    lines = b"".join(
        orjson.dumps({"id": f"n{i}", "document_id": "guide", "text": "t", "embedding": [1, 2, 3]}) + b"\n"
        for i in range(1000)
    )
    with socket.create_connection(address) as connection:
        connection.sendall(_head(f"{guide}/import", str(10**9), "application/x-ndjson"))
        connection.sendall(lines + b'{"id": "half", "document_id": "guide", "text": "t", "embedding": [1, 2, 3]}')
        _wait_until_the_batch_is_committed(client, guide)
    deadline = time.monotonic() + DEADLINE
    while "quire_http_requests_in_flight 1.0" not in client.get("/metrics").text:
        assert time.monotonic() < deadline
    assert client.get(f"{guide}/chunks/half").status_code == 404
    assert client.post(f"{guide}/count", json={}).json()["count"] == 1003


def _wait_until_the_batch_is_committed(client: httpx.Client, guide: str) -> None:
    ahead = {"x-quire-min-position": "2", "x-quire-max-wait-ms": str(int(DEADLINE * 1000))}
    assert client.get(guide, headers=ahead).status_code == 200


def test_a_slow_body_does_not_hold_up_others(address: tuple[str, int], guide: str) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(50):
            connection = stack.enter_context(socket.create_connection(address))
            connection.sendall(_head(f"{guide}/search", "100") + b'{"vector":')
        with httpx.Client(base_url=f"http://{address[0]}:{address[1]}", timeout=DEADLINE) as over_http:
            started = time.monotonic()
            assert over_http.post(f"{guide}/search", json={"vector": [1, 2, 3]}).status_code == 200
            assert time.monotonic() - started < 5.0


def test_paths_are_routed_after_decoding_and_stay_inside(address: tuple[str, int], guide: str) -> None:
    with httpx.Client(base_url=f"http://{address[0]}:{address[1]}", timeout=DEADLINE) as over_http:
        for path in ("/v1/libraries/..%2f..%2fetc", "/v1/libraries/%2e%2e", "/v1/libraries/a%2fb", "/v1//libraries"):
            response = over_http.get(path)
            assert (response.status_code, response.json()["code"]) == (404, "not-found")
