"""Clients that break off, repeat and crowd: `python -m reliability.clients [--count N] [--seed S]`.

Bulk requests are cut at every so many bytes: nothing of one that did not arrive whole is stored. Requests with an
`Idempotency-Key` go through a proxy that loses answers and sends requests twice, and are repeated until they are
answered: each happens once. A crowd writes and reads at once: each sees its own writes at once, and never goes back.
"""

from __future__ import annotations

import random
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from reliability.command_line import Rig, run_rig
from reliability.findings import Findings
from reliability.records import Record
from reliability.servers import Nursery, Server
from reliability.wire import Answer, Cut, Refused, Wire

LIBRARY = "clients"
BULK = 30
CUTS = 200
REQUESTS = 300
CROWD = 20
_TRIES = 40
"""Three of ten answers are lost on purpose: so many in a row are not."""
BUGS = ("storage.forget_answers", "repositories.serve_old_views")
_DOCUMENT = f"/v1/libraries/{LIBRARY}/documents/one"


def cut_uploads(server: Server, cuts: int, chance: random.Random, findings: Findings) -> None:
    """Send a bulk request up to some byte and go away: nothing of it is stored, unless that byte was the last."""
    with server.wire() as wire:
        for number in range(cuts):
            request = _bulk_request(server.port, number)
            head = request.index(b"\r\n\r\n") + 4
            last = number % 20 == 0
            offset = len(request) if last else chance.randrange(head, len(request))
            with socket.create_connection(("127.0.0.1", server.port)) as connection:
                connection.sendall(request[:offset])
                if last:
                    connection.recv(1)
            there = _count(wire, {"tags": {"contains": f"cut-{number}"}})
            findings.counts["uploads cut"] += not last
            if there not in ({BULK} if last else {0}):
                findings.violation(f"upload {number}, cut at byte {offset} of {len(request)}: {there} stored")
        # What arrives after its client has gone is looked for once more.
        stored = _count(wire, {"tags": {"contains": "bulk"}})
        expected = BULK * len(range(0, cuts, 20))
        if stored != expected:
            findings.violation(f"of all cut uploads {stored - expected} chunks were stored later")


def repeat_requests(server: Server, requests: int, chance: random.Random, findings: Findings) -> None:
    """Make chunks through the proxy, each with a key, repeated until it is answered: each is there once."""
    with Proxy(server.port, chance) as proxy, server.wire() as wire:
        for number in range(requests):
            body = {"text": f"once {number}", "embedding": [1.0, 2.0], "metadata": {"tags": ["once"]}}
            key = {"idempotency-key": f"key-{number}"}
            made = proxy.ask_until_answered("POST", f"{_DOCUMENT}/chunks", body, key)
            if made.status != 201:
                findings.violation(f"request {number} was answered {made}")
            again = wire.ask("POST", f"{_DOCUMENT}/chunks", body, key)
            if again.status != 201 or again.json()["id"] != made.json()["id"]:
                findings.violation(f"request {number} has another answer when repeated: {again}")
            other = wire.ask("POST", f"{_DOCUMENT}/chunks", {**body, "text": "other"}, key)
            if other.status != 422:
                findings.violation(f"the key of request {number} with another body was answered {other}")
        findings.counts["requests through the proxy"] += requests
        findings.counts["answers lost"] += proxy.lost
        findings.counts["requests doubled"] += proxy.doubled
        stored = _count(wire, {"tags": {"contains": "once"}})
        if stored != requests:
            findings.violation(f"{requests} requests made {stored} chunks")


def crowd(server: Server, size: int, seconds: float, findings: Findings) -> None:
    """So many writers and as many readers at once."""
    over = threading.Event()
    members = [Member(server, number) for number in range(size)]
    threads = [threading.Thread(target=work, args=(over,)) for one in members for work in (one.write, one.read)]
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    over.set()
    for thread in threads:
        thread.join()
    for member in members:
        for violation in member.violations:
            findings.violation(violation)
        findings.counts["writes of the crowd"] += member.writes
        findings.counts["reads of the crowd"] += member.reads


class Member:
    """One of a crowd: a writer that reads back what it wrote, and a reader that watches one chunk grow."""

    def __init__(self, server: Server, number: int) -> None:
        self.violations: list[str] = []
        self.writes = self.reads = 0
        self._server = server
        self._path = f"{_DOCUMENT}/chunks/crowd-{number}"
        self._number = number

    def write(self, over: threading.Event) -> None:
        """Write ever greater numbers, and look for each at once, by id and by a search."""
        with self._server.wire() as wire:
            while not over.is_set():
                text = str(self.writes + 1)
                body = {"text": text, "embedding": [float(self._number), 7.0], "metadata": {"page": self._number}}
                if not self._is_done(wire, "PUT", self._path, body):
                    continue
                self.writes += 1
                search = {"vector": [0.0, 0.0], "k": 1, "filter": {"text": text, "page": self._number}}
                found = wire.ask("POST", f"/v1/libraries/{LIBRARY}/search", search)
                got = wire.ask("GET", self._path)
                if found.status == 200 and len(found.json()["hits"]) != 1:
                    self.violations.append(f"{self._path}: a search does not find the write of {text}")
                if got.status == 200 and got.json()["text"] != text:
                    self.violations.append(f"{self._path}: after the write of {text} {got.json()['text']} was read")

    def read(self, over: threading.Event) -> None:
        """Read the chunk again and again: its number never falls."""
        last = 0
        with self._server.wire() as wire:
            while not over.is_set():
                answer = wire.ask("GET", self._path)
                if answer.status >= 500 and answer.status != 503:
                    self.violations.append(f"{self._path} was answered {answer}")
                if answer.status != 200:
                    continue
                self.reads += 1
                now = int(answer.json()["text"])
                if now < last:
                    self.violations.append(f"{self._path}: {now} was read after {last}")
                last = now

    def _is_done(self, wire: Wire, method: str, path: str, body: Any) -> bool:
        answer = wire.ask(method, path, body)
        if not answer.is_done and answer.status != 503:
            self.violations.append(f"{method} {path} was answered {answer}")
        return answer.is_done


class Proxy:
    """Passes requests on, one a connection; some of them twice, and some answers nowhere."""

    def __init__(self, port: int, chance: random.Random) -> None:
        self.lost = self.doubled = 0
        self._target = port
        self._chance = chance
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Proxy:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def ask_until_answered(self, method: str, path: str, body: Any, headers: dict[str, str]) -> Answer:
        """Send a request through it, again and again, until an answer comes back."""
        for _ in range(_TRIES):
            with Wire(self._listener.getsockname()[1]) as wire:
                try:
                    return wire.ask(method, path, body, headers)
                except Cut:
                    continue
        raise Refused(f"{method} {path} was not answered {_TRIES} times")

    def _run(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # closed
                return
            with client:
                self._pass_on(client)

    def _pass_on(self, client: socket.socket) -> None:
        request = _read_message(client)
        twice = self._chance.random() < 0.3
        self.doubled += twice
        answers = _in_parallel([lambda: self._ask(request)] * (2 if twice else 1))
        if self._chance.random() < 0.3:
            self.lost += 1
            return
        client.sendall(self._chance.choice(answers))

    def _ask(self, request: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", self._target)) as server:
            server.sendall(request)
            return _read_message(server)


def run(count: int, seed: int, bugs: tuple[str, ...] = (), size: int = CROWD) -> Record:
    """All three with one server; the crowd works for `count` seconds."""
    started = time.monotonic()
    chance = random.Random(seed)
    findings = Findings(seed)
    with tempfile.TemporaryDirectory(prefix="quire-clients-") as folder, Nursery(bugs) as nursery:
        server = nursery.start(Path(folder) / "data")
        server.wait_until_ready()
        with server.wire() as wire:
            wire.demand("PUT", f"/v1/libraries/{LIBRARY}", {"dimension": 2, "metric": "l2"})
            wire.demand("PUT", _DOCUMENT, {"chunks": []})
        cut_uploads(server, CUTS, chance, findings)
        repeat_requests(server, REQUESTS, chance, findings)
        crowd(server, size, count, findings)
        server.end()
    command = f"python -m reliability.clients --count {count} --seed {seed}"
    return Record("clients", command, seed, time.monotonic() - started, findings.counts, findings.violations)


def catch(bug: str, seed: int) -> str | None:
    """What the rig says of a planted bug, or None when it does not see it."""
    found = run(1, seed, (bug,))
    return found.violations[0] if found.violations else None


def _bulk_request(port: int, number: int) -> bytes:
    operations = [
        {
            "put": {
                "id": f"bulk-{number}-{place}",
                "document_id": "one",
                "text": "x" * 50,
                "embedding": [1.0, 2.0],
                "metadata": {"tags": ["bulk", f"cut-{number}"]},
            }
        }
        for place in range(BULK)
    ]
    body = orjson.dumps({"operations": operations})
    head = f"POST /v1/libraries/{LIBRARY}/chunks/batch HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n"
    return f"{head}content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


def _read_message(connection: socket.socket) -> bytes:
    """One HTTP message with a content length."""
    read = b""
    while b"\r\n\r\n" not in read:
        read += _received(connection)
    head, _, body = read.partition(b"\r\n\r\n")
    lengths = [line.partition(b":")[2] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    wanted = int(lengths[0]) if lengths else 0
    while len(body) < wanted:
        body += _received(connection)
    return head + b"\r\n\r\n" + body


def _received(connection: socket.socket) -> bytes:
    part = connection.recv(65_536)
    if not part:
        raise ConnectionError("the connection ended within a message")
    return part


def _in_parallel(calls: list[Callable[[], bytes]]) -> list[bytes]:
    answers: list[bytes] = []
    threads = [threading.Thread(target=lambda call=call: answers.append(call())) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def _count(wire: Wire, filter_: dict[str, Any]) -> int:
    return int(wire.demand("POST", f"/v1/libraries/{LIBRARY}/count", {"filter": filter_}).json()["count"])


if __name__ == "__main__":
    sys.exit(run_rig(Rig(run, 5, BUGS, catch), __doc__))
