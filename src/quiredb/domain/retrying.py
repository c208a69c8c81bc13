"""Optimistic read-modify-write: judge the write by the version that was read, and read again when it moved on."""

from collections.abc import Callable
from typing import TypeVar

from quiredb.domain.commands import ANY_STATE, Expectation
from quiredb.domain.errors import Conflict, PreconditionFailed

_ATTEMPTS = 16

Answer = TypeVar("Answer")


def exactly(expected: Expectation, version: int) -> Expectation:
    """What the caller expects; a caller that expects nothing gets the version that was read."""
    return Expectation(version=version) if expected == ANY_STATE else expected


def retry_unless_expected(expected: Expectation, attempt: Callable[[], Answer]) -> Answer:
    """Run `attempt` until its precondition holds. A caller that named a version is told at once instead."""
    if expected != ANY_STATE:
        return attempt()
    for _ in range(_ATTEMPTS):
        try:
            return attempt()
        except PreconditionFailed:
            continue
    raise Conflict("Others kept changing the resource at the same time. Try again.")
