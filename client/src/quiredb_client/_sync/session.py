# Generated from _async by client/scripts/unasync.py; change the source and run it again.
"""Sending calls: headers, retries, positions, errors."""

from __future__ import annotations

from typing import Any

import httpx

from .._runtime import threads as runtime
from ..calls import Call
from ..errors import ConnectionFailed, PreconditionFailed, QuireError, Timeout
from ..positions import Positions
from ..problems import api_error
from ..retries import Attempts, RetryPolicy
from ..settings import shortened
from ..wire import decode

_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


class Session:
    """One connection pool, and how calls go over it."""

    def __init__(
        self,
        http: httpx.Client,
        *,
        timeout: httpx.Timeout,
        policy: RetryPolicy,
        positions: Positions,
        read_your_writes: bool,
    ) -> None:
        self.positions = positions
        self._http = http
        self._timeout = timeout
        self._policy = policy
        self._read_your_writes = read_your_writes

    def with_options(self, *, timeout: httpx.Timeout | None, policy: RetryPolicy | None) -> Session:
        """The same pool and positions with another timeout or retry policy."""
        return Session(
            self._http,
            timeout=timeout or self._timeout,
            policy=policy or self._policy,
            positions=self.positions,
            read_your_writes=self._read_your_writes,
        )

    def json(self, call: Call) -> dict[str, Any]:
        """Send and return the answer's JSON object."""
        response = self.send(call)
        return decode(response.content)

    def send(self, call: Call) -> httpx.Response:
        """Send, again where that makes sense, and return a successful answer.

        Raises:
            ApiError: the server answered with an error.
            ConnectionFailed, Timeout: it did not answer.
        """
        attempts = Attempts(self._policy)
        while True:
            try:
                response = self._try(call, attempts)
            except QuireError as failure:
                if attempts.maybe_applied and isinstance(failure, PreconditionFailed):
                    failure.add_note("An earlier try of this call may have been applied: read the resource again.")
                delay = attempts.delay_after(failure)
                if delay is None:
                    raise
                runtime.sleep(delay)
            else:
                return response

    def close(self) -> None:
        """Close the connection pool."""
        self._http.close()

    def _try(self, call: Call, attempts: Attempts) -> httpx.Response:
        request = self._http.build_request(
            call.method,
            call.path,
            params=call.parameters or None,
            headers=self._headers(call),
            content=call.body,
            timeout=shortened(self._timeout, attempts.remaining) if attempts.repeats else self._timeout,
        )
        try:
            response = self._http.send(request, stream=call.stream)
            if call.stream and not response.is_success:
                response.read()
        except httpx.TimeoutException as error:
            raise Timeout(_unanswered(request, error), sent=not isinstance(error, _NEVER_SENT)) from error
        except httpx.RequestError as error:
            raise ConnectionFailed(_unanswered(request, error), sent=not isinstance(error, _NEVER_SENT)) from error
        if not response.is_success and not _deleted_before(call, response, attempts):
            raise api_error(response.status_code, response.headers, response.content)
        self._observe(call, response)
        return response

    def _headers(self, call: Call) -> dict[str, str]:
        headers = dict(call.headers)
        if self._read_your_writes and call.library is not None and not call.writes:
            position = self.positions.get(call.library)
            if position is not None:
                headers["x-quire-min-position"] = str(position)
        return headers

    def _observe(self, call: Call, response: httpx.Response) -> None:
        position = response.headers.get("x-quire-position", "")
        if call.library is not None and position.isdecimal():
            self.positions.observe(call.library, int(position))


def _deleted_before(call: Call, response: httpx.Response, attempts: Attempts) -> bool:
    """Whether a 404 only says that an earlier try of this DELETE was carried out."""
    return call.method == "DELETE" and response.status_code == 404 and attempts.maybe_applied


def _unanswered(request: httpx.Request, error: httpx.RequestError) -> str:
    reason = str(error) or type(error).__name__
    server = f"{request.url.scheme}://{request.url.netloc.decode('ascii')}"
    return f"no answer from {server} to {request.method} {request.url.path}: {reason}"
