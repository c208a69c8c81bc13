"""What a rig, or one of its lanes, has counted and found so far."""

from __future__ import annotations

from collections import Counter

_EXTREMES = ("slowest", "longest")
"""How a count begins that is the largest of all, and no sum."""


class Findings:
    """What was counted and found so far."""

    def __init__(self, seed: int) -> None:
        self.counts: Counter[str] = Counter()
        self.violations: list[str] = []
        self._seed = seed

    def violation(self, what: str) -> None:
        """Note one."""
        self.violations.append(f"seed {self._seed}: {what}")

    def add(self, other: Findings) -> None:
        """Take another lane's in."""
        self.violations += other.violations
        for what, count in other.counts.items():
            mine = self.counts[what]
            self.counts[what] = max(mine, count) if what.startswith(_EXTREMES) else mine + count
