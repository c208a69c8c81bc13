"""Each fault with what Quire promises, the rig that tries to break it, and what one command counts of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Promise:
    """A row of RELIABILITY.md: `rig` names the record that the figures come from, `counts` which of its counts."""

    fault: str
    title: str
    promise: str
    rig: str
    counts: tuple[str, ...]


PROMISES: tuple[Promise, ...] = ()
