"""Real servers, one process each, that a rig starts, asks and kills. They are forked from a nursery (`nursery.py`)."""

from __future__ import annotations

import json
import os
import re
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from reliability.records import ROOT
from reliability.wire import Cut, Wire

READY_WITHIN_SECONDS = 60.0
ENDS_WITHIN_SECONDS = 120.0
"""After a signal; then it is killed."""
_POLL_SECONDS = 0.004
_LISTENING = re.compile(rb"^listening on https?://127\.0\.0\.1:(\d+)$", re.MULTILINE)


class NotReady(Exception):
    """A server ended, or took too long, before it was ready; the message is what it said."""


class Server:
    """One `quire serve`, a child of the nursery."""

    def __init__(self, nursery: Nursery, data: Path, arguments: Sequence[str] = ()) -> None:
        self.data = data
        self._nursery = nursery
        self.log = data.with_name(f"{data.name}.log")
        self.log.touch()
        self._said_before = self.log.stat().st_size
        self.started = time.monotonic()
        self.process_id = nursery.serve(data, self.log, arguments)
        self._ended: int | None = None
        self.port = 0
        self.context: ssl.SSLContext | None = None
        """What its clients speak TLS with, where it does."""

    @property
    def said(self) -> str:
        """What this process printed and logged."""
        return self.log.read_bytes()[self._said_before :].decode(errors="replace")

    def wait_until_ready(self) -> float:
        """Wait until it serves; returns the seconds since it was started. `NotReady` when it will not."""
        while not self._is_ready():
            if self._has_ended() or time.monotonic() - self.started > READY_WITHIN_SECONDS:
                raise NotReady(self.said)
            time.sleep(_POLL_SECONDS)
        return time.monotonic() - self.started

    def wire(self) -> Wire:
        """A connection to it."""
        return Wire(self.port, context=self.context)

    def kill(self) -> None:
        """kill -9: nothing is flushed, nothing is said."""
        self.end(signal.SIGKILL)

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait; returns the exit status, or minus the signal that ended it."""
        if self._ended is None:
            os.kill(self.process_id, how)
        return self.status()

    def complaints_at_end(self) -> list[str]:
        """End it; what is wrong when that is not exit status 0."""
        status = self.end()
        return [f"the server ended with {status}: {self.said[-300:]}"] if status else []

    def status(self) -> int:
        """Wait for its end, which is brought about when it does not come; returns its exit status."""
        if self._ended is None:
            deadline = time.monotonic() + ENDS_WITHIN_SECONDS
            while not self._has_ended() and time.monotonic() < deadline:
                time.sleep(_POLL_SECONDS)
            if not self._has_ended():
                os.kill(self.process_id, signal.SIGKILL)
            self._ended = self._nursery.reap(self.process_id)
        return self._ended

    def _has_ended(self) -> bool:
        # A child that nobody has reaped yet still has its process id, so that no other process can be meant.
        return Path(f"/proc/{self.process_id}/stat").read_text().rpartition(")")[2].split()[0] == "Z"

    def _is_ready(self) -> bool:
        listening = _LISTENING.search(self.log.read_bytes()[self._said_before :])
        if listening is None:
            return False
        self.port = int(listening[1])
        with self.wire() as wire:
            try:
                return wire.ask("GET", "/readyz").status == 200
            except Cut:
                return False


class Nursery:
    """The parent of servers. Close it, or use it in a `with` statement: its servers end with it."""

    def __init__(self, bugs: Sequence[str] = (), told: Mapping[str, str] | None = None) -> None:
        """`told`: variables of its environment, for the bugs."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("QUIRE_")}
        environment |= told or {}
        # A forked child must not inherit a pool of threads that exists in its parent only.
        environment["OPENBLAS_NUM_THREADS"] = "1"
        with ExitStack() as stack:
            self._process = stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-m", "reliability.nursery", *bugs],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                    cwd=ROOT,
                    env=environment,
                )
            )
            self._stack = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End it and its servers."""
        self._stack.close()

    def start(self, data: Path, arguments: Sequence[str] = ()) -> Server:
        """A new server, not ready yet."""
        return Server(self, data, arguments)

    def serve(self, data: Path, log: Path, arguments: Sequence[str]) -> int:
        """Fork a server; returns its process id."""
        return self._ask({"serve": [str(data), str(log), *arguments]})

    def reap(self, process_id: int) -> int:
        """Wait for the end of a server."""
        return self._ask({"reap": process_id})

    def _ask(self, request: dict[str, object]) -> int:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())
