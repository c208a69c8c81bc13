"""What a promise is, and what bears it out."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Evidence:
    """A rig, which counts of its record are told, and which of the bugs planted in it break this promise."""

    rig: str
    counts: tuple[str, ...]
    bugs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Promise:
    """A row of RELIABILITY.md."""

    fault: str
    title: str
    promise: str
    evidence: tuple[Evidence, ...]
