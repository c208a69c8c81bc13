# Generated from _async by client/scripts/unasync.py; change the source and run it again.
"""The way in: one server, its libraries and its jobs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from types import TracebackType
from typing import Any, Self

import httpx

from .. import __version__, calls, decoding
from ..errors import ConnectionFailed, ServerError, Timeout
from ..models import Readiness
from ..positions import Positions
from ..retries import RetryPolicy
from ..settings import DEFAULT_TIMEOUT, base_url, request_headers, timeouts
from .jobs import Jobs
from .libraries import Libraries
from .library import LibraryHandle
from .session import Session
from .transfer import backup_stream


class Client:
    """A client of one Quire server. Safe to share; close it, or use it in a `with` statement.

    Args:
        url: the server's address; default `QUIRE_URL`, else http://127.0.0.1:7333.
        api_key: default `QUIRE_API_KEY`, else none.
        timeout: seconds for each of connect, read, write and pool, or an `httpx.Timeout`; None: no end.
        retries: how many times a call is repeated, or a `RetryPolicy`.
        transport: an httpx transport to use instead of the network.
        headers: sent with every request.
        read_your_writes: ask followers to catch up with what this client has seen before they answer.
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        timeout: float | httpx.Timeout | None = DEFAULT_TIMEOUT,
        retries: RetryPolicy | int = 2,
        transport: httpx.BaseTransport | None = None,
        headers: Mapping[str, str] | None = None,
        read_your_writes: bool = True,
    ) -> None:
        http = httpx.Client(
            base_url=base_url(url),
            headers=request_headers(api_key, headers, __version__),
            transport=transport,
        )
        self._use(
            Session(
                http,
                timeout=timeouts(timeout),
                policy=RetryPolicy.of(retries),
                positions=Positions(),
                read_your_writes=read_your_writes,
            )
        )

    def library(self, id: str) -> LibraryHandle:
        """One library by name; it need not exist yet."""
        return LibraryHandle(self._session, id)

    def with_options(
        self, *, timeout: float | httpx.Timeout | None = None, retries: RetryPolicy | int | None = None
    ) -> Self:
        """The same client, sharing its connections, with another timeout or retry policy."""
        client = object.__new__(type(self))
        client._use(
            self._session.with_options(
                timeout=None if timeout is None else timeouts(timeout),
                policy=None if retries is None else RetryPolicy.of(retries),
            )
        )
        return client

    def ready(self) -> Readiness:
        """Whether the server can serve now; false, not an error, when it cannot be reached."""
        once = self._session.with_options(timeout=None, policy=RetryPolicy(retries=0))
        try:
            body = once.json(calls.read("GET", "readyz"))
        except (ConnectionFailed, Timeout) as error:
            return Readiness(ready=False, reason=str(error))
        except ServerError as error:
            return decoding.readiness(error.problem, ready=False, otherwise=error.detail)
        return decoding.readiness(body, ready=True)

    def version(self) -> dict[str, Any]:
        """The server's build and format versions."""
        return self._session.json(calls.read("GET", "version"))

    def limits(self) -> dict[str, Any]:
        """The largest sizes and counts the server takes."""
        return self._session.json(calls.read("GET", "v1", "limits"))

    def backup_stream(self, known: Collection[str] = ()) -> Iterator[bytes]:
        """A backup of the whole server as bytes, without the blocks whose SHA-256 are `known`: for `quire backup`."""
        return backup_stream(self._session, known)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _use(self, session: Session) -> None:
        self._session = session
        self.libraries = Libraries(session)
        self.jobs = Jobs(session)
