"""Bytes to a server and the answer to them, however wrong the bytes are."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from typing import Any

import orjson


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer. `status` 0: the connection ended without one."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float

    @property
    def code(self) -> str | None:
        """The machine word of a problem document."""
        if "problem+json" not in self.headers.get("content-type", ""):
            return None
        return str(orjson.loads(self.body)["code"])


def exchange(
    port: int,
    parts: bytes | Iterable[bytes],
    *,
    timeout: float = 20.0,
    sender: str = "127.0.0.1",
    method: str = "GET",
) -> Reply:
    """Send the parts to a server on loopback and read one answer; sending goes on while the answer is awaited.

    `sender` is the address to come from: on Linux all of 127.0.0.0/8 is this machine.
    """
    started = time.perf_counter()
    with socket.create_connection(("127.0.0.1", port), timeout, source_address=(sender, 0)) as connection:
        stop = threading.Event()
        sending = threading.Thread(
            target=_send, args=(connection, [parts] if isinstance(parts, bytes) else parts, stop)
        )
        sending.start()
        try:
            response = HTTPResponse(connection, method=method)
            response.begin()
            seconds = time.perf_counter() - started
            headers = {name.lower(): value for name, value in response.getheaders()}
            return Reply(response.status, headers, response.read(), seconds)
        except (OSError, HTTPException):
            return Reply(0, {}, b"", time.perf_counter() - started)
        finally:
            stop.set()
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            sending.join()


def request(
    method: str,
    path: str,
    *,
    key: str | None = None,
    body: bytes | None = None,
    json: Any = None,
    headers: Mapping[str, str] | None = None,
    host: str | None = "127.0.0.1",
) -> bytes:
    """The bytes of a request that is right but for what is asked for."""
    content = orjson.dumps(json) if json is not None else body
    fields: dict[str, str] = {} if host is None else {"Host": host}
    if key is not None:
        fields["Authorization"] = f"Bearer {key}"
    if content is not None:
        fields |= {"Content-Type": "application/json", "Content-Length": str(len(content))}
    fields |= dict(headers or {})
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items() if value != "-")]
    return "\r\n".join([*lines, "", ""]).encode() + (content or b"")


def _send(connection: socket.socket, parts: Iterable[bytes], stop: threading.Event) -> None:
    with suppress(OSError):
        for part in parts:
            if stop.is_set():
                return
            connection.sendall(part)
