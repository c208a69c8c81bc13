"""A real server process on loopback, as an operator would run it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from quiredb_client import Client

QUIRE = Path(sys.executable).parent / "quire"
READY_WITHIN_SECONDS = 120.0
ENDED_WITHIN_SECONDS = 60.0
_LISTENING = re.compile(r"^listening on (http://\S+)$", re.MULTILINE)


def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait for a condition of another process or thread."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


class Server:
    """`quire serve` on a free port; it can be killed and started again on the same folder."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.log = data.with_name(f"{data.name}.log")
        self._process: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    def start(self) -> float:
        """Start and wait until it is ready; returns the seconds that took."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("QUIRE_")}
        started = time.monotonic()
        with self.log.open("ab") as log:
            self._log_start = log.tell()
            self._process = subprocess.Popen(
                [QUIRE, "serve", "--data", self.data, "--port", "0"], stdout=log, stderr=log, env=environment
            )
        until(self._is_ready, READY_WITHIN_SECONDS)
        return time.monotonic() - started

    @property
    def said(self) -> str:
        """What the present process printed."""
        return self.log.read_bytes()[self._log_start :].decode(errors="replace")

    @property
    def url(self) -> str:
        """Where the present process listens."""
        found = _LISTENING.search(self.said)
        assert found is not None, self.said
        return found[1]

    def client(self, *, retries: int = 0) -> Client:
        """A client of the present process."""
        return Client(self.url, retries=retries, timeout=30)

    def kill(self) -> None:
        """kill -9: nothing is flushed, nothing is said."""
        self.end(signal.SIGKILL)

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait; returns the exit status."""
        assert self._process is not None
        self._process.send_signal(how)
        return self._process.wait(ENDED_WITHIN_SECONDS)

    def discard(self) -> None:
        """End the process, if there is one, without ado."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(ENDED_WITHIN_SECONDS)

    def disk_bytes(self) -> int:
        """Bytes of all files in the data folder."""
        sizes = 0
        for path in self.data.rglob("*"):
            try:
                sizes += path.stat().st_size if path.is_file() else 0
            except FileNotFoundError:
                continue
        return sizes

    def _is_ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"the server ended while it started:\n{self.said}"
        if not _LISTENING.search(self.said):
            return False
        with self.client() as client:
            return bool(client.ready())
