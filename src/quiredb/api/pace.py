"""Which requests are over so soon that handing them to a thread would take longer than they do.

That costs 100 microseconds of processor: two threads are woken, and everything they touch moves between caches. The
event loop stands still meanwhile, so it keeps what takes 500 at most, and finds out by measuring.
"""

from collections.abc import Hashable
from dataclasses import dataclass

QUICK_SECONDS = 500e-6
CAUTION = 256
"""Requests of a kind that go to threads once some of them held the event loop up: they may wait for the disk."""
_COUNTED_SECONDS_MAX = 2 * QUICK_SECONDS
"""Longer ones count as this: one that had to wait for the processor says little of the next."""
_WEIGHT = 0.1
"""Of the last request in the mean."""
_KINDS_MAX = 1024


@dataclass(slots=True)
class _Kind:
    """The mean of what requests took, and how many more go to threads whatever that is."""

    seconds: float
    cautious: int = 0


class Pace:
    """What requests took lately, by kind: requests of a kind take about as long. The loop's thread alone uses it."""

    def __init__(self) -> None:
        self._kinds: dict[Hashable, _Kind] = {}

    def is_quick(self, kind: Hashable) -> bool:
        """Whether the next request of this kind may be carried out on the event loop. Asked once for each."""
        known = self._kinds.get(kind)
        if known is None:
            return False
        if known.cautious:
            known.cautious -= 1
            return False
        return known.seconds <= QUICK_SECONDS

    def took_thread(self, kind: Hashable, seconds: float) -> None:
        """A request took a thread so many seconds of processor time."""
        self._note(kind, seconds)

    def took_loop(self, kind: Hashable, seconds: float) -> None:
        """A request held the event loop up for so many seconds."""
        known = self._note(kind, seconds)
        if known.seconds > QUICK_SECONDS:
            known.cautious = CAUTION

    def _note(self, kind: Hashable, seconds: float) -> _Kind:
        counted = min(seconds, _COUNTED_SECONDS_MAX)
        known = self._kinds.get(kind)
        if known is None:
            if len(self._kinds) >= _KINDS_MAX:
                self._kinds.clear()
            known = self._kinds[kind] = _Kind(counted)
        known.seconds += _WEIGHT * (counted - known.seconds)
        return known
