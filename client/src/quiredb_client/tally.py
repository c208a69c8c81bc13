"""Counting what a bulk write has done."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .errors import ApiError, QuireError, UnexpectedAnswer
from .lines import Line
from .models import FailedItem, ImportReport, Progress


@dataclass(slots=True)
class Outcome:
    """What became of one batch: lines written, items not written, the error when a request failed whole."""

    written: list[Line] = field(default_factory=list)
    failed: list[FailedItem] = field(default_factory=list)
    error: QuireError | None = None

    def refuse(self, lines: Sequence[Line], error: QuireError) -> None:
        """None of the lines was written."""
        code = error.code if isinstance(error, ApiError) and error.code else type(error).__name__
        self.failed += [_failed(line, code=code, detail=str(error)) for line in lines]
        self.error = error

    def accept(self, lines: Sequence[Line], answer: Mapping[str, Any]) -> list[Sequence[Line]]:
        """Sort the lines by the import's answer; returns what must be sent again to learn its fate, in pieces.

        The answer counts all failures but lists only some, in any order: when the list is not complete, nothing is
        known of the lines that are not on it. They carry ids, so they may be sent again, in pieces so small that
        the failures of each should fit its list.
        """
        errors = {error.get("line"): error for error in answer.get("errors") or ()}
        count = int(answer.get("failed", len(errors)))
        if (count and not errors) or not errors.keys() <= set(range(1, len(lines) + 1)):
            raise UnexpectedAnswer(f"the server refused {count} lines without saying which")
        self.failed += [_failed(lines[number - 1], **_reason(error)) for number, error in errors.items()]
        rest = [line for number, line in enumerate(lines, start=1) if number not in errors]
        if count <= len(errors):
            self.written += rest
            return []
        pieces = math.ceil(2 * (count - len(errors)) / len(errors))
        size = max(1, len(rest) // pieces)
        return [rest[start : start + size] for start in range(0, len(rest), size)]


class Tally:
    """The running account of one bulk write."""

    def __init__(self, total: int | None) -> None:
        self._started = time.monotonic()
        self._total = total
        self._items = 0
        self._documents = 0
        self._chunks = 0
        self._bytes = 0
        self.failed: list[FailedItem] = []

    def add(self, outcome: Outcome) -> None:
        """Take in the outcome of a batch."""
        self._items += len(outcome.written) + len(outcome.failed)
        self._documents += sum(line.documents for line in outcome.written)
        self._chunks += sum(line.chunks for line in outcome.written)
        self._bytes += sum(len(line.body) for line in outcome.written)
        self.failed += outcome.failed

    def progress(self) -> Progress:
        """How far it is."""
        return Progress(
            items=self._items,
            failed=len(self.failed),
            bytes=self._bytes,
            seconds=time.monotonic() - self._started,
            total=self._total,
        )

    def report(self) -> ImportReport:
        """What was done."""
        return ImportReport(
            items=self._items,
            documents=self._documents,
            chunks=self._chunks,
            bytes=self._bytes,
            seconds=time.monotonic() - self._started,
            failed=tuple(sorted(self.failed, key=lambda failed: failed.index)),
        )


def _failed(line: Line, *, code: str, detail: str, pointer: str = "") -> FailedItem:
    return FailedItem(index=line.index, item=line.item, code=code, detail=detail, pointer=pointer)


def _reason(error: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(error.get(name) or "") for name in ("code", "detail", "pointer")}
