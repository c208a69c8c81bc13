"""Bugs in how a server ends."""

from __future__ import annotations

import os
import signal
from typing import Any

from quiredb.cli import serve


def drop_requests() -> None:
    """A signal ends the process at once, whatever is under way."""
    honest = signal.signal

    def at_once(number: Any, handler: Any) -> Any:
        return honest(number, lambda *_: os._exit(0) if number in {signal.SIGTERM, signal.SIGINT} else handler)

    serve.signal.signal = at_once
