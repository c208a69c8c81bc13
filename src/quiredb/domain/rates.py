"""Token buckets (https://en.wikipedia.org/wiki/Token_bucket): so many in the long run, some more in a burst."""

from collections import OrderedDict
from collections.abc import Callable

_OWNERS_MAX = 10_000


class TokenBuckets:
    """A bucket for each owner, of the 10,000 that came last. For one thread.

    Args:
        per_second: tokens that fill up again.
        burst: tokens in a full bucket.
        clock: seconds that only go forward.
    """

    def __init__(self, per_second: float, burst: float, clock: Callable[[], float]) -> None:
        self._per_second = per_second
        self._burst = burst
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, owner: str) -> float:
        """Take one token; 0 when there was one, else the seconds until there is."""
        now = self._clock()
        tokens, at = self._buckets.get(owner, (self._burst, now))
        tokens = min(self._burst, tokens + (now - at) * self._per_second)
        taken = tokens >= 1
        self._buckets[owner] = (tokens - 1 if taken else tokens, now)
        self._buckets.move_to_end(owner)
        if len(self._buckets) > _OWNERS_MAX:
            self._buckets.popitem(last=False)
        return 0.0 if taken else (1 - tokens) / self._per_second
