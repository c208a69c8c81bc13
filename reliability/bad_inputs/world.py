"""What the bad inputs are thrown at: a server with two libraries, a key of each kind, and what must not change."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import orjson

from quiredb.domain.keys import KeyDraft
from quiredb.domain.rights import Role
from quiredb.domain.times import now
from quiredb.repositories.keys import create_key, revoke_key
from reliability.raw_http import Reply, exchange, request
from reliability.records import ROOT
from reliability.servers import Server

CANARY = "canary-5b1f"
"""In headers, query strings and bodies of the inputs; no answer, log or metric may hold it."""
MINE, THEIRS = "/v1/libraries/mine", "/v1/libraries/theirs"
_ANSWER_BYTES_MAX = 16 * 1024
_COMMAND_SECONDS_MAX = 120.0


def make_keys(folder: Path) -> dict[str, str]:
    """Keys of every role for `mine`, one for `theirs`, and some that do not count."""
    drafts = {
        "read": KeyDraft("read", Role.READ, ("mine",)),
        "write": KeyDraft("write", Role.WRITE, ("mine",)),
        "admin": KeyDraft("admin", Role.ADMIN, ("mine",)),
        "theirs": KeyDraft("theirs", Role.ADMIN, ("theirs",)),
        "server": KeyDraft("server", Role.SERVER_ADMIN),
    }
    keys = {name: create_key(folder, draft)[1] for name, draft in drafts.items()}
    keys["expired"] = create_key(folder, KeyDraft("expired", expires_at=now() + timedelta(seconds=1)))[1]
    revoked, keys["revoked"] = create_key(folder, KeyDraft("revoked"))
    revoke_key(folder, revoked.id)
    keys["forged"] = keys["server"][:-4] + ("0000" if keys["server"][-4:] != "0000" else "1111")
    return keys


class Input(Protocol):
    """One bad input and the exact answer. `seconds` is how long the answer may take."""

    @property
    def name(self) -> str: ...

    @property
    def seconds(self) -> float: ...

    def attempt(self, world: World) -> tuple[str | None, float]:
        """What is wrong with the answer, or None, and the seconds that it took. May be called again."""
        ...


@dataclass(frozen=True, slots=True)
class Case:
    """A message to the server, and the status and the code of its problem document (None: any, or none).

    `sent` is one message or the parts of one.
    """

    name: str
    sent: bytes | Iterable[bytes]
    status: int
    code: str | None
    method: str = "POST"
    sender: str = "127.0.0.1"
    seconds: float = 1.0
    check: Callable[[Reply], str | None] = lambda _: None

    def attempt(self, world: World) -> tuple[str | None, float]:
        """Send it."""
        reply = world.send(self.sent, self.sender, self.method)
        return self._judge(reply), reply.seconds

    def _judge(self, reply: Reply) -> str | None:
        if (reply.status, reply.code) != (self.status, self.code):
            return f"answered {reply.status} {reply.code}, not {self.status} {self.code}"
        if len(reply.body) > _ANSWER_BYTES_MAX:
            return f"{len(reply.body)} bytes of answer"
        if reply.status >= 400 and CANARY in reply.body.decode(errors="replace") + str(reply.headers):
            return "repeats what was sent"
        if reply.status and "nosniff" not in reply.headers.get("x-content-type-options", ""):
            return "has no security headers"
        return self.check(reply)


@dataclass(frozen=True, slots=True)
class AtOnce:
    """Several messages at one time; `check` judges all answers together."""

    name: str
    sent: Sequence[bytes]
    check: Callable[[Sequence[Reply]], str | None]
    seconds: float = 1.0

    def attempt(self, world: World) -> tuple[str | None, float]:
        """Send them, each over a connection of its own."""
        with ThreadPoolExecutor(len(self.sent)) as threads:
            replies = list(threads.map(world.send, self.sent))
        return self.check(replies), max(reply.seconds for reply in replies)


@dataclass(frozen=True, slots=True)
class Command:
    """A call of `quire` and its exit code; `check` judges what it said and left."""

    name: str
    arguments: Sequence[str]
    code: int
    check: Callable[[str], str | None]
    seconds: float = 1.0

    def attempt(self, world: World) -> tuple[str | None, float]:
        """Call it, in a process of its own."""
        started = time.perf_counter()
        ended = world.command(self.arguments)
        seconds = time.perf_counter() - started
        said = ended.stdout + ended.stderr
        if ended.returncode != self.code:
            return f"ended with {ended.returncode}, not {self.code}: {said[-300:]}", seconds
        if "Traceback" in said or (self.code != 0 and not ended.stderr.startswith("error: ")):
            return f"ended without a clear message: {said[-300:]}", seconds
        return self.check(said), seconds


@dataclass(frozen=True, slots=True)
class World:
    """A running server, the keys to it, and the bugs that are planted in it and in commands."""

    server: Server
    keys: dict[str, str]
    bugs: Sequence[str] = ()

    @property
    def scratch(self) -> Path:
        """A folder for files of the inputs."""
        return self.server.data.with_name("scratch")

    def send(self, parts: bytes | Iterable[bytes], sender: str = "127.0.0.1", method: str = "GET") -> Reply:
        """Send bytes and read the answer."""
        return exchange(self.server.port, parts, sender=sender, method=method)

    def ask(self, method: str, path: str, key: str | None = "write", **more: Any) -> Reply:
        """Send a request with the key of that name."""
        return self.send(self.request(method, path, key, **more), method=method)

    def request(self, method: str, path: str, key: str | None = "write", **more: Any) -> bytes:
        """The bytes of such a request."""
        return request(method, path, key=None if key is None else self.keys[key], **more)

    def command(self, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Run `quire` with these arguments."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("QUIRE_")}
        return subprocess.run(
            [sys.executable, "-m", "reliability.planted", *self.bugs, "--", *arguments],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_COMMAND_SECONDS_MAX,
            check=False,
        )

    def furnish(self) -> None:
        """Make the libraries and what is in them, and wait for the end of the key that expires."""
        while self.ask("GET", "/v1/limits", "expired").status != 401:
            time.sleep(0.05)
        for path in (MINE, THEIRS):
            self._demand("PUT", path, {"dimension": 3, "metadata": {"title": "kept"}})
            chunks = [{"id": f"c{i}", "text": f"text {i}", "embedding": [1, i, 2]} for i in range(5)]
            self._demand("PUT", f"{path}/documents/guide", {"metadata": {"title": "Guide"}, "chunks": chunks})
        self._demand("PUT", f"{THEIRS}/documents/only-theirs", {})

    def digest(self) -> str:
        """What the store holds, libraries, documents, chunks and keys, as one hash."""
        libraries = orjson.loads(self.ask("GET", "/v1/libraries", "server").body)["items"]
        keys = orjson.loads(self.ask("GET", "/v1/keys", "server").body)["items"]
        found = [self.ask("GET", f"/v1/libraries/{one['id']}/export", "server").body for one in libraries]
        found += [orjson.dumps([one["id"], one["version"], one["metadata"], one["index"]]) for one in libraries]
        found += [orjson.dumps([one["id"], one["role"], one["libraries"]]) for one in keys]
        return hashlib.sha256(b"".join(found)).hexdigest()

    def is_healthy(self) -> bool:
        """Whether the server serves as if nothing had been."""
        found = self.ask("POST", f"{MINE}/search", "read", json={"vector": [1, 2, 2], "k": 1})
        return found.status == 200 and orjson.loads(found.body)["hits"][0]["id"] == "c2"

    def rss(self) -> int:
        """Bytes of memory that the server's process has now."""
        status = Path(f"/proc/{self.server.process_id}/status").read_text()
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS:"))

    def _demand(self, method: str, path: str, body: Any) -> None:
        answer = self.ask(method, path, "server", json=body)
        assert 200 <= answer.status < 300, answer.body
