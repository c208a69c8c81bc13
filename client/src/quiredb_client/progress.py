"""Showing how far a bulk write is: one line on a terminal, or a function of the caller."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TextIO, TypeAlias

from .models import Progress

ProgressOption: TypeAlias = "bool | Callable[[Progress], None]"

_BAR_CELLS = 24
_SECONDS_BETWEEN_PAINTS = 0.1


class Reporter:
    """Passes progress on to where the caller wants it."""

    def __init__(self, option: ProgressOption, stream: TextIO | None = None) -> None:
        stream = stream or sys.stderr
        self._callback = option if callable(option) else None
        self._stream = stream if option is True and stream.isatty() else None
        self._painted = float("-inf")

    def update(self, progress: Progress) -> None:
        """Tell of new progress; the terminal is painted at most ten times a second."""
        if self._callback is not None:
            self._callback(progress)
        if self._stream is not None and time.monotonic() - self._painted >= _SECONDS_BETWEEN_PAINTS:
            self._paint(progress)

    def finish(self, progress: Progress) -> None:
        """Paint the last state and leave the line."""
        if self._stream is not None:
            self._paint(progress)
            self._stream.write("\n")
            self._stream.flush()

    def _paint(self, progress: Progress) -> None:
        if self._stream is None:
            return
        self._painted = time.monotonic()
        self._stream.write(f"\r\x1b[K{describe(progress)}")
        self._stream.flush()


def describe(progress: Progress) -> str:
    """One line: a bar when the total is known, items, rate, failures."""
    rate = progress.items / progress.seconds if progress.seconds > 0 else 0.0
    megabytes = progress.bytes / 1e6
    parts = [f"{progress.items:,} items", f"{rate:,.0f}/s", f"{megabytes:,.1f} MB"]
    if progress.total:
        share = min(1.0, progress.items / progress.total)
        filled = round(share * _BAR_CELLS)
        parts[0] = f"{'█' * filled}{'░' * (_BAR_CELLS - filled)} {share:4.0%}  {progress.items:,}/{progress.total:,}"
    if progress.failed:
        parts.append(f"{progress.failed:,} failed")
    return "  ".join(parts)
