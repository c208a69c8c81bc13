"""A streamed answer that holds something while it is read, and so does not wait for ever for its reader."""

import logging
from collections.abc import Generator

import anyio
from starlette.responses import StreamingResponse
from starlette.types import Message, Send

_log = logging.getLogger(__name__)


class BoundedStream(StreamingResponse):
    """Breaks off when its reader takes nothing for `seconds`; whatever happens, the generator is closed at the end."""

    def __init__(self, parts: Generator[bytes, None, None], media_type: str, seconds: float) -> None:
        super().__init__(parts, media_type=media_type)
        self._parts = parts
        self._seconds = seconds

    async def stream_response(self, send: Send) -> None:
        """Send the parts."""

        async def bounded(message: Message) -> None:
            with anyio.fail_after(self._seconds):
                await send(message)

        try:
            await super().stream_response(bounded)
        except TimeoutError:
            _log.warning("an answer was broken off: its reader took nothing for %.0f seconds", self._seconds)
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self._parts.close)
