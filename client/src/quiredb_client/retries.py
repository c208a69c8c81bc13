"""When a call is sent again, and after how long."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass

from .errors import ApiError, ConnectionFailed, QuireError, Timeout

_MAYBE_APPLIED = frozenset({408, 500, 502, 504})


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often and how patiently a call is repeated.

    Repeated are calls that met a broken connection, a timeout, 408, 429, 502, 503, 504 or a problem that says
    it is retryable; a problem that says it is not is never repeated.

    Attributes:
        retries: repeats after the first try.
        first_delay: seconds; the n-th delay is drawn from 0 to `first_delay * 2**n` (full jitter).
        max_delay: seconds; no drawn delay is longer. A server's `Retry-After` may be.
        deadline: seconds from the first try after which no repeat starts.
    """

    retries: int = 2
    first_delay: float = 0.25
    max_delay: float = 8.0
    deadline: float = 120.0

    def __post_init__(self) -> None:
        if min(self.retries, self.first_delay, self.max_delay, self.deadline) < 0:
            raise ValueError("a retry policy has no negative numbers")

    @classmethod
    def of(cls, retries: RetryPolicy | int) -> RetryPolicy:
        """A policy from a number of retries, or itself."""
        return retries if isinstance(retries, RetryPolicy) else cls(retries=retries)


class Attempts:
    """The tries of one call so far."""

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy
        self._started = time.monotonic()
        self._failures = 0
        self.maybe_applied = False
        """Whether an earlier try may have been carried out although its answer never came."""

    @property
    def repeats(self) -> bool:
        """Whether the present try is not the first."""
        return self._failures > 0

    @property
    def remaining(self) -> float:
        """Seconds until the deadline."""
        return max(0.0, self._policy.deadline - (time.monotonic() - self._started))

    def delay_after(self, failure: QuireError) -> float | None:
        """Seconds to wait before the next try, or None when there is none."""
        self.maybe_applied = self.maybe_applied or _maybe_applied(failure)
        self._failures += 1
        if self._failures > self._policy.retries or not _retryable(failure):
            return None
        delay = self._jittered()
        if isinstance(failure, ApiError) and failure.retry_after is not None:
            delay = max(delay, failure.retry_after)
        return delay if delay < self.remaining else None

    def _jittered(self) -> float:
        longest = min(self._policy.max_delay, self._policy.first_delay * 2.0 ** (self._failures - 1))
        return random.uniform(0.0, longest)


def _retryable(failure: QuireError) -> bool:
    if isinstance(failure, ApiError):
        return failure.retryable
    return isinstance(failure, (ConnectionFailed, Timeout))


def _maybe_applied(failure: QuireError) -> bool:
    if isinstance(failure, ApiError):
        return failure.status in _MAYBE_APPLIED
    return isinstance(failure, (ConnectionFailed, Timeout)) and failure.sent
