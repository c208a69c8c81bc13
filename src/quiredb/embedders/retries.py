"""Trying again: exponential back-off with full jitter, obeying the provider's Retry-After.

Full jitter spreads the retries of many clients evenly (Brooker, "Exponential Backoff And Jitter", 2015).
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from quiredb.domain.errors import EmbeddingFailed

Answer = TypeVar("Answer")


class TemporarilyFailed(EmbeddingFailed):
    """One attempt failed in a way that may pass. `after_seconds` is what the provider asked to wait."""

    def __init__(self, detail: str, *, after_seconds: float | None = None) -> None:
        super().__init__(detail, retryable=True)
        self.after_seconds = after_seconds


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how patiently to try. `patience_seconds` bounds the sum of all waits of one call."""

    attempts: int = 4
    first_delay_seconds: float = 0.5
    longest_delay_seconds: float = 8.0
    patience_seconds: float = 30.0
    sleep: Callable[[float], object] = time.sleep
    random: Callable[[], float] = random.random


def with_retries(attempt: Callable[[], Answer], policy: RetryPolicy) -> Answer:
    """The answer of the first attempt that does not raise `TemporarilyFailed`.

    Raises:
        EmbeddingFailed: retryable, when attempts or patience are used up; whatever else an attempt raises, at once.
    """
    patience = policy.patience_seconds
    for number in range(1, policy.attempts + 1):
        try:
            return attempt()
        except TemporarilyFailed as failure:
            delay = _delay(failure, number, policy)
            if number == policy.attempts or delay > patience:
                tried = "once" if number == 1 else f"{number} times"
                raise EmbeddingFailed(f"{failure.detail} Tried {tried}.", retryable=True) from failure
            patience -= delay
            policy.sleep(delay)
    raise AssertionError("a retry policy has at least one attempt")


def _delay(failure: TemporarilyFailed, number: int, policy: RetryPolicy) -> float:
    if failure.after_seconds is not None:
        return failure.after_seconds
    ceiling = min(policy.longest_delay_seconds, policy.first_delay_seconds * 2.0 ** (number - 1))
    return ceiling * policy.random()
