"""A real server process on loopback, ended by its process id."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from quiredb_client import Client, QuireError

_READY_SECONDS = 300
_PROCESS_CLOCK = 2
"""CPUCLOCK_SCHED of the kernel: time that was scheduled, of all threads."""


class Server:
    """`quire serve` with some options on a free port. Start, kill and start again on the same folder."""

    def __init__(self, data: Path, *options: str) -> None:
        self.data = data
        self.options = options
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> float:
        """Start and wait until ready; answers the seconds it took."""
        command = [str(Path(sys.executable).parent / "quire"), "serve", "--data", str(self.data), *self.options]
        started = time.perf_counter()
        with (self.data.parent / "server.log").open("ab") as log:
            self._process = subprocess.Popen([*command, "--port", str(self.port)], stdout=log, stderr=log)
        with Client(self.url, retries=0) as client:
            while not _is_ready(client):
                if self._process.poll() is not None or time.perf_counter() - started > _READY_SECONDS:
                    raise SystemExit(f"the server did not start: see {self.data.parent / 'server.log'}")
                time.sleep(0.01)
        return time.perf_counter() - started

    def kill(self) -> None:
        """kill -9: nothing is flushed, nothing is said."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM and wait."""
        self._end(signal.SIGTERM)

    def memory_bytes(self) -> dict[str, int]:
        """Resident memory: anonymous (the process's own) and file-backed (mapped files, given back under pressure)."""
        assert self._process is not None
        status = Path(f"/proc/{self._process.pid}/status").read_text(encoding="ascii")
        fields = dict(line.split(":", 1) for line in status.splitlines())
        return {
            "anonymous": int(fields["RssAnon"].split()[0]) * 1024,
            "file-backed": int(fields["RssFile"].split()[0]) * 1024,
        }

    def cpu_seconds(self) -> float:
        """Processor time that it has taken so far."""
        assert self._process is not None
        return process_seconds(self._process.pid)

    def disk_bytes(self) -> int:
        """Bytes of all files in the data folder."""
        return sum(path.stat().st_size for path in self.data.rglob("*") if path.is_file())

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            os.kill(self._process.pid, how)
            self._process.wait(60)
        self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _is_ready(client: Client) -> bool:
    try:
        return bool(client.ready())
    except QuireError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def process_seconds(process_id: int) -> float:
    """Processor time of a process on Linux, to the nanosecond, with that of threads that have ended.

    Its clock has the number that clock_getcpuclockid(3) makes of the process id.
    """
    return time.clock_gettime(~process_id << 3 | _PROCESS_CLOCK)
