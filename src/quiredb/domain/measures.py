"""Counts of what happened, kept where it happens and read by whoever publishes metrics."""

import threading
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
LONG_SECONDS = (0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1_800.0, 7_200.0)
SIZES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)


@dataclass(frozen=True, slots=True)
class Observed:
    """How many values lay at or below each bound (the last bound is infinite), and their sum."""

    at_most: tuple[tuple[float, int], ...]
    total: float


class Distribution:
    """A histogram with fixed bounds. Thread-safe."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._total = 0.0
        self._lock = threading.Lock()

    def observe(self, value: float) -> None:
        """Count a value."""
        place = bisect_left(self._bounds, value)
        with self._lock:
            self._counts[place] += 1
            self._total += value

    def observed(self) -> Observed:
        """Everything so far."""
        with self._lock:
            counts, total = tuple(self._counts), self._total
        sums = [sum(counts[: place + 1]) for place in range(len(counts))]
        return Observed(tuple(zip((*self._bounds, float("inf")), sums, strict=True)), total)


class Distributions:
    """A histogram for each of a few labels, made when the label is first met. Thread-safe."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._by_label: dict[str, Distribution] = {}
        self._lock = threading.Lock()

    def observe(self, label: str, value: float) -> None:
        """Count a value under a label."""
        (self._by_label.get(label) or self._made(label)).observe(value)

    def items(self) -> Iterator[tuple[str, Observed]]:
        """(label, everything so far) of each label."""
        with self._lock:
            known = sorted(self._by_label.items())
        return ((label, distribution.observed()) for label, distribution in known)

    def _made(self, label: str) -> Distribution:
        with self._lock:
            return self._by_label.setdefault(label, Distribution(self._bounds))


class Measures:
    """What libraries and their background work count, for the whole process.

    `searches` by "filtered" and "unfiltered", `builds` by "seal", "merge" and "rebuild", times in seconds. A commit is
    one transaction with one flush; `commit_sizes` says how many commands shared it.
    """

    def __init__(self) -> None:
        self.searches = Distributions(SECONDS)
        self.commits = Distribution(SECONDS)
        self.commit_sizes = Distribution(SIZES)
        self.builds = Distributions(LONG_SECONDS)
