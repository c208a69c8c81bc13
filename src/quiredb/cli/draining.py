"""A server that ends in good order: first nobody is sent to it any more, then it finishes what it has."""

import asyncio
import os
import signal
import socket
import time
from collections.abc import Callable
from types import FrameType

import uvicorn

from quiredb.services.health import HealthService

ENDING = (signal.SIGTERM, signal.SIGINT)
_KILLED_BY = 128


class DrainingServer(uvicorn.Server):
    """uvicorn's server with an end in three steps, begun by SIGTERM or SIGINT.

    At once `health` says that the server is ending, so that readiness is false. After `drain_delay` seconds, in which
    requests are still served, nothing new is taken: the listener closes, idle connections close, and a request on any
    other is refused with 503. Requests under way have the configuration's grace to finish. A second signal ends the
    process there and then, as a crash would, with 128 + its number.
    """

    def __init__(
        self, config: uvicorn.Config, health: HealthService, drain_delay: float, announce: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._health = health
        self._drain_delay = drain_delay
        self._announce = announce
        self._ends_at: float | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then announce."""
        await super().startup(sockets)
        if self.started:
            self._announce()

    def handle_exit(self, sig: int, _frame: FrameType | None) -> None:
        """A signal came. Unlike uvicorn's, it is not raised again when all is done: that would look like a crash."""
        if self._ends_at is not None:
            os._exit(_KILLED_BY + sig)
        self._ends_at = time.monotonic() + self._drain_delay
        self._health.ending()

    async def on_tick(self, counter: int) -> bool:
        """Whether the time to take requests is over."""
        over = self._ends_at is not None and time.monotonic() >= self._ends_at
        self.should_exit = self.should_exit or over
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finish what was begun."""
        self._health.close_to_new()
        await asyncio.sleep(0)
        await super().shutdown(sockets)
