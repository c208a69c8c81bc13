"""The parent's end of a worker: starts it pinned to one core with one thread, asks it, reads its answers."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bench.peers.roster import Contender
from bench.peers.vector_set import VectorSet

PEERS_PYTHON = Path(".venv-bench/bin/python")
_ONE_THREAD = ("OMP", "OPENBLAS", "MKL", "RAYON", "NUMBA")
_END_SECONDS = 30
_ROOT = Path(__file__).parents[2]


class WorkerEnded(RuntimeError):
    """The process is gone; the message is the last line it left on standard error."""


class Worker:
    """A worker of one contender on one set. `hello` says its library's version and its Python's."""

    def __init__(self, contender: Contender, data: VectorSet, cpu: int, peers_python: Path) -> None:
        python = sys.executable if contender.environment == "own" else str(peers_python.absolute())
        if not Path(python).is_file():
            raise WorkerEnded(f"there is no {python}: run make bench-setup")
        arguments = [contender.adapter, data.metric, str(data.folder.resolve()), json.dumps(dict(contender.parameters))]
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115  # open as long as the process
        self._process = subprocess.Popen(
            [python, "-m", "bench.peers.worker", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            cwd=_ROOT,
            env=os.environ | {f"{name}_NUM_THREADS": "1" for name in _ONE_THREAD},
        )
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(self._process.pid, {cpu})  # while it still starts: its later threads inherit it
        self.hello = self._answer()

    def ask(self, command: str, **options: Any) -> dict[str, Any]:
        """Send a command and wait for its answer. Raises WorkerEnded when the process fails."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps([command, options]) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise WorkerEnded(self._last_words()) from error
        return self._answer()

    def close(self) -> None:
        """End the process: its input ends, and so does it; if it does not, it is killed."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._log.close()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            reason = self._last_words()
            self.close()
            raise WorkerEnded(reason)
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _last_words(self) -> str:
        code = self._process.wait(_END_SECONDS)
        self._log.seek(0)
        lines = [line for line in self._log.read().splitlines() if line.strip()]
        return lines[-1].strip() if lines else f"ended with code {code} and said nothing"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
