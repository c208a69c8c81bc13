"""What was done to the files below a folder, call by call, and which call is to fail."""

from __future__ import annotations

import os
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path, PurePath

from reliability.disk.medium import FOLDER, Acknowledged, Cut, Flushed, FlushedNames, Named, Step, Wrote

TAKES_SPACE = {"open", "create", "write", "make_folder"}


class Way(StrEnum):
    """How a call fails: with an error, for want of space (and so do those after it), or half done."""

    ERROR = "error"
    FULL = "full"
    SHORT = "short"


class Journal:
    """What was done to the files below `root`, call by call, and which call is to fail."""

    def __init__(self, root: Path, numbers: Mapping[str, int], last_number: int = 0) -> None:
        self.root = root
        self.steps: list[Step] = []
        self.calls: list[tuple[str, str]] = []
        self.failed: str | None = None
        self.flushed_after_failure: list[str] = []
        self._at: int | None = None
        self._way = Way.ERROR
        self._numbers = dict(numbers)
        self._next = max(last_number, *numbers.values(), 0) + 1

    def fail(self, call: int, way: Way) -> None:
        """Let the call of this number (from 0) fail."""
        self._at, self._way = call, way

    def heal(self) -> None:
        """From now on every call succeeds."""
        self._at = None

    def acknowledge(self, operation: int) -> None:
        """Note that an operation was answered."""
        self.steps.append(Acknowledged(operation))

    def call(self, kind: str, path: Path) -> Way | None:
        """Count a call; how it is to fail, or None."""
        number = len(self.calls)
        self.calls.append((kind, self.inner(path)))
        if self._at is None or number < self._at:
            return None
        if number == self._at:
            self.failed = f"{kind} {self.inner(path)}"
            return self._way
        return Way.FULL if self._way is Way.FULL and kind in TAKES_SPACE else None

    def inner(self, path: Path) -> str:
        """The path below the root."""
        return os.path.relpath(path, self.root)

    def number(self, path: Path) -> int:
        """The number of the file of this name, given now when it has none."""
        inner = self.inner(path)
        if inner not in self._numbers:
            self._numbers[inner] = self._next
            self._next += 1
            self._name(inner, self._numbers[inner])
        return self._numbers[inner]

    def is_known(self, path: Path) -> bool:
        """Whether a file has this name."""
        return self.inner(path) in self._numbers

    def wrote(self, number: int, offset: int, content: bytes) -> None:
        """Bytes were written."""
        self.steps.append(Wrote(number, offset, content))

    def cut(self, number: int, size: int) -> None:
        """A file got this size."""
        self.steps.append(Cut(number, size))

    def flushed(self, number: int, *, kept: bool = True) -> None:
        """A file was flushed, or the attempt failed."""
        self.steps.append(Flushed(number, kept))

    def flushed_again(self, path: Path) -> None:
        """A file was flushed through a handle that had failed to."""
        self.flushed_after_failure.append(self.inner(path))

    def flushed_names(self, folder: Path) -> None:
        """The names in a folder were flushed."""
        self.steps.append(FlushedNames(self.inner(folder)))

    def made_folder(self, path: Path) -> None:
        """A folder was made."""
        self._name(self.inner(path), FOLDER)

    def renamed(self, source: Path, target: Path) -> None:
        """A file got another name in its folder."""
        old, new = self.inner(source), self.inner(target)
        number = self._numbers.pop(old)
        self._numbers[new] = number
        before, after = PurePath(old), PurePath(new)
        self.steps.append(Named(str(after.parent), ((before.name, None), (after.name, number))))

    def removed(self, path: Path) -> None:
        """A name was removed."""
        self._numbers.pop(self.inner(path), None)
        self._name(self.inner(path), None)

    def _name(self, inner: str, number: int | None) -> None:
        path = PurePath(inner)
        self.steps.append(Named(str(path.parent), ((path.name, number),)))
