"""A process that has imported and compiled everything, and forks servers: they start in a fraction of a second.

`python -m reliability.nursery [BUG ...]` reads requests from its input, one JSON object a line, and answers each with a
line: `{"serve": [data folder, log file, argument ...]}` with the process id of a new `quire serve`, `{"reap": id}` with
its exit status (minus the signal) once it has ended. When its input ends, it and its servers end.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from quiredb.cli.main import main
from quiredb.indexes.kernels.registry import ensure_compiled
from reliability.planted import plant

_SERVED_BY = ("quiredb.app", "quiredb.cli.serve")
_PR_SET_PDEATHSIG = 1


def _serve(data: str, log: str, *arguments: str) -> NoReturn:
    """Be `quire serve` in this process, which is a child, until it ends."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(0)
    status = 70
    try:
        status = main(["serve", "--data", data, "--port", "0", "--log-level", "warning", *arguments])
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _mind(bugs: Sequence[str]) -> None:
    """Answer requests until the input ends."""
    for bug in bugs:
        plant(bug)
    for module in _SERVED_BY:
        import_module(module)
    ensure_compiled()
    gc.collect()
    gc.freeze()
    for line in sys.stdin:
        request = json.loads(line)
        if "serve" in request:
            answer = os.fork()
            if answer == 0:
                _serve(*request["serve"])
        else:
            answer = os.waitstatus_to_exitcode(os.waitpid(request["reap"], 0)[1])
        print(answer, flush=True)


if __name__ == "__main__":
    _mind(sys.argv[1:])
