"""Steps of a request that a tracer may want to see: `with span("search"):`. Nobody looks unless told to."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TypeAlias

Opener: TypeAlias = Callable[[str], AbstractContextManager[object]]
"""Begins a step of that name, which ends with the block."""

_UNSEEN = nullcontext()


def _unseen(_: str) -> AbstractContextManager[object]:
    return _UNSEEN


class _Spans:
    """Who looks, for the whole process."""

    opener: Opener = staticmethod(_unseen)


def span(name: str) -> AbstractContextManager[object]:
    """A step of what this thread works on."""
    return _Spans.opener(name)


def show_spans_to(opener: Opener | None) -> None:
    """Let a tracer see the steps from now on; None: nobody. The composition root decides, once."""
    _Spans.opener = staticmethod(opener or _unseen)
