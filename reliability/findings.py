"""What a rig has counted and found so far."""

from __future__ import annotations

from collections import Counter


class Findings:
    """What was counted and found so far."""

    def __init__(self, seed: int) -> None:
        self.counts: Counter[str] = Counter()
        self.violations: list[str] = []
        self._seed = seed

    def violation(self, what: str) -> None:
        """Note one."""
        self.violations.append(f"seed {self._seed}: {what}")
