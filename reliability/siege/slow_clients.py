"""A crowd of clients, each slow in a way of its own, and how long a server puts up with each of them."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from quiredb.domain.limits import ANSWER_SECONDS_UNREAD_MAX, BODY_SECONDS_JUDGED, HEAD_SECONDS_MAX
from reliability.raw_http import request
from reliability.siege.server_sockets import held_connections

LIBRARY = "/v1/libraries/door"
TICK_SECONDS = 0.25
KEEP_ALIVE_SECONDS = 5.0
"""What an idle connection is kept for, however fast the server's seconds pass."""
SLACK_SECONDS = 10.0
"""What a server may be late: the more it has to do, the more patient it is."""
_ACCEPTED_WITHIN_SECONDS = 10.0
_RECEIVED_AHEAD_BYTES = 4096
"""Of an answer that is not read: what the client's side of the kernel may take."""

_READERS_AMONG = 128
"""An answer that is not read was work and holds memory: only some of the first so many clients leave one."""

Opening = Callable[[str], bytes]
"""What a client sends at once, given a key that counts."""


@dataclass(frozen=True, slots=True)
class Manner:
    """A way to be slow: what is sent at once and then with each tick, and after how many seconds the server must close.

    `drops`: how many times `drop` is sent; -1: for ever.
    """

    name: str
    opening: Opening
    drop: bytes
    seconds: int
    drops: int = -1


def _body_begun(key: str | None, media_type: str = "application/json") -> bytes:
    headers = {"Content-Length": "100000", "Content-Type": media_type}
    return request("POST", f"{LIBRARY}/import", key=key, headers=headers) + b"["


MANNERS = (
    Manner("says nothing", lambda _: b"", b"", HEAD_SECONDS_MAX),
    Manner("dribbles a head", lambda _: b"GET /v1/limits HTTP/1.1\r\nhost: 127.0.0.1\r\nx-a: ", b"a", HEAD_SECONDS_MAX),
    Manner(
        "dribbles empty lines after an answer",
        lambda key: request("GET", "/livez", key=key),
        b"\r\n",
        HEAD_SECONDS_MAX,
    ),
    Manner("dribbles a body", _body_begun, b"[", BODY_SECONDS_JUDGED),
    Manner(
        "dribbles a body without a key", lambda _: _body_begun(None, "application/x-ndjson"), b"[", BODY_SECONDS_JUDGED
    ),
    Manner(
        "completes a refused body and stays",
        lambda _: request("POST", f"{LIBRARY}/search", key=None, headers={"Content-Length": "2"}) + b"[",
        b"]",
        HEAD_SECONDS_MAX,
        drops=1,
    ),
    Manner(
        "does not read a stream",
        lambda key: request("GET", f"{LIBRARY}/export", key=key),
        b"",
        ANSWER_SECONDS_UNREAD_MAX,
    ),
    Manner(
        "does not read one large answer",
        lambda key: request(
            "POST", f"{LIBRARY}/chunks/scan?limit=1000", key=key, json={"include": ["text", "embedding"]}
        ),
        b"",
        ANSWER_SECONDS_UNREAD_MAX,
    ),
)
CHEAP_MANNERS = tuple(manner for manner in MANNERS if manner.seconds != ANSWER_SECONDS_UNREAD_MAX)


@dataclass(slots=True)
class _Client:
    manner: Manner
    connection: socket.socket
    port: int
    began: float
    drops: int
    accepted: bool = False
    closed_after: float | None = None


@dataclass(slots=True)
class Crowd:
    """So many slow clients of one server, served in turn by one thread.

    `hurry`: how many times as fast as usual the server's seconds pass.
    """

    port: int
    key: str
    count: int
    hurry: float = 1.0
    _clients: list[_Client] = field(default_factory=list)
    _thread: threading.Thread | None = None

    def begin(self) -> None:
        """Connect them all, and be slow from now on."""
        for number in range(self.count):
            manners = MANNERS if number < _READERS_AMONG else CHEAP_MANNERS
            self._clients.append(_connect(self.port, self.key, manners[number % len(manners)]))
        self._thread = threading.Thread(target=self._be_slow)
        self._thread.start()

    def is_over(self) -> bool:
        """Whether each is closed, or was so late that no more is to be waited for."""
        return self._thread is None or not self._thread.is_alive()

    def end(self) -> None:
        """Wait until it is over, and close what the server did not."""
        if self._thread is not None:
            self._thread.join()
        for client in self._clients:
            client.connection.close()

    @property
    def refused(self) -> int:
        """How many the server closed before it was seen to have them."""
        return sum(not client.accepted for client in self._clients)

    def longest(self) -> dict[str, float]:
        """By manner, the longest that the server put up with a client, in seconds."""
        found: dict[str, float] = {}
        for client in self._clients:
            if client.closed_after is not None:
                found[client.manner.name] = max(found.get(client.manner.name, 0.0), client.closed_after)
        return found

    def violations(self) -> list[str]:
        """The manners with which a client got more time than it should have."""
        late: dict[str, int] = {}
        for client in self._clients:
            if client.accepted and (client.closed_after is None or client.closed_after > self._patience(client)):
                late[client.manner.name] = late.get(client.manner.name, 0) + 1
        return [f"a client that {name} was not closed in time, {number} times" for name, number in late.items()]

    def _patience(self, client: _Client) -> float:
        return max(client.manner.seconds / self.hurry, KEEP_ALIVE_SECONDS) + SLACK_SECONDS

    def _be_slow(self) -> None:
        while True:
            self._look()
            now = time.monotonic()
            waiting = [one for one in self._clients if one.closed_after is None]
            if not any(now - one.began <= self._wait_for(one) for one in waiting):
                return
            for client in waiting:
                _drop(client)
            time.sleep(TICK_SECONDS)

    def _wait_for(self, client: _Client) -> float:
        return self._patience(client) if client.accepted else _ACCEPTED_WITHIN_SECONDS

    def _look(self) -> None:
        held = held_connections(self.port)
        now = time.monotonic()
        for client in self._clients:
            if client.port in held:
                client.accepted = True
            elif client.accepted and client.closed_after is None:
                client.closed_after = now - client.began


def _connect(port: int, key: str, manner: Manner) -> _Client:
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVED_AHEAD_BYTES)
    connection.connect(("127.0.0.1", port))
    connection.sendall(manner.opening(key))
    connection.setblocking(False)
    return _Client(manner, connection, connection.getsockname()[1], time.monotonic(), manner.drops)


def _drop(client: _Client) -> None:
    if client.manner.drop and client.drops:
        client.drops -= 1
        with suppress(OSError):
            client.connection.send(client.manner.drop)
