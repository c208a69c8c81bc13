"""What a disk holds when the power goes: of what was not flushed any part, in any order, torn at sectors."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path, PurePath
from typing import TypeAlias

SECTOR_BYTES = 512


@dataclass(frozen=True, slots=True)
class Named:
    """Names in one folder changed, all at once: to a file, to a folder, or to nothing."""

    folder: str
    changes: tuple[tuple[str, int | None], ...]


@dataclass(frozen=True, slots=True)
class Wrote:
    """Bytes of a file changed."""

    file: int
    offset: int
    content: bytes


@dataclass(frozen=True, slots=True)
class Cut:
    """A file got another size."""

    file: int
    size: int


@dataclass(frozen=True, slots=True)
class Flushed:
    """A file's content was brought to the medium, or (not `kept`) the attempt failed and the cache calls it clean."""

    file: int
    kept: bool = True


@dataclass(frozen=True, slots=True)
class FlushedNames:
    """The names in a folder were brought to the medium."""

    folder: str


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The operation of this number was answered."""

    operation: int


Step: TypeAlias = Named | Wrote | Cut | Flushed | FlushedNames | Acknowledged
_ChooseNames: TypeAlias = Callable[[Sequence["Named"]], Sequence["Named"]]
FOLDER = 0
"""The number of whatever is a folder; files count from 1."""


class Fate(StrEnum):
    """What becomes of changes that were not flushed."""

    LOST = "lost"
    KEPT = "kept"
    BEGUN = "begun"
    SCATTERED = "scattered"


@dataclass(slots=True)
class _File:
    """`cached` is what programs see: also what a failed flush left in the cache, called clean, and never wrote."""

    durable: bytearray = field(default_factory=bytearray)
    cached: bytearray = field(default_factory=bytearray)
    pending: list[Wrote | Cut] = field(default_factory=list)


@dataclass(slots=True)
class _Folder:
    durable: dict[str, int] = field(default_factory=dict)
    pending: list[Named] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Image:
    """The content of a disk: folders, and files by their paths, relative to the root."""

    folders: tuple[str, ...]
    files: dict[str, bytes]

    def write(self, root: Path) -> None:
        """Lay it out as real files."""
        root.mkdir(parents=True, exist_ok=True)
        for folder in self.folders:
            (root / folder).mkdir(parents=True, exist_ok=True)
        for path, content in self.files.items():
            (root / path).write_bytes(content)


class Medium:
    """A disk as steps are done to it; it knows what is durable and what is only in the cache."""

    def __init__(self) -> None:
        self._files: dict[int, _File] = {}
        self._folders: dict[str, _Folder] = {".": _Folder()}

    def do(self, step: Step) -> None:
        """Take one step."""
        match step:
            case Named():
                self._folder(step.folder).pending.append(step)
            case Wrote() | Cut():
                file = self._file(step.file)
                file.pending.append(step)
                _change(file.cached, step)
            case Flushed():
                self._flush(self._file(step.file), step.kept)
            case FlushedNames():
                self._flush_names(self._folder(step.folder))
            case Acknowledged():
                return

    @classmethod
    def of(cls, image: Image) -> Medium:
        """A disk that holds an image, all of it durable."""
        medium = cls()
        for folder in image.folders:
            medium._folder(str(PurePath(folder).parent)).durable[PurePath(folder).name] = FOLDER
        for number, (path, content) in enumerate(image.files.items(), 1):
            medium._folder(str(PurePath(path).parent)).durable[PurePath(path).name] = number
            medium._file(number).durable = bytearray(content)
            medium._file(number).cached = bytearray(content)
        return medium

    def numbers(self) -> dict[str, int]:
        """The files that a program sees now, by their paths."""
        return {inner: number for inner, number in self._walk(list) if number != FOLDER}

    def last_number(self) -> int:
        """The greatest number that a file ever had: one that was removed may come back when the power goes."""
        pending = (change for folder in self._folders.values() for one in folder.pending for change in one.changes)
        return max(FOLDER, *self._files, *self.numbers().values(), *(number or FOLDER for _, number in pending))

    def after_kill(self) -> Image:
        """What the operating system's cache holds: every step, whole."""
        return self._image(lambda file: bytes(file.cached), list)

    def after_power_loss(self, chance: random.Random) -> Image:
        """What one power loss leaves: the fate of each file and each folder is drawn on its own."""
        return self._image(
            lambda file: _content(file.durable, _surviving_writes(file.pending, chance)),
            lambda pending: _surviving_names(pending, chance),
        )

    def _image(self, content: Callable[[_File], bytes], names: _ChooseNames) -> Image:
        folders: list[str] = []
        files: dict[str, bytes] = {}
        for inner, number in self._walk(names):
            if number == FOLDER:
                folders.append(inner)
            else:
                files[inner] = content(self._file(number))
        return Image(tuple(folders), files)

    def _walk(self, names: _ChooseNames) -> Iterator[tuple[str, int]]:
        """Every path with its number, folders before what is in them."""
        waiting = ["."]
        while waiting:
            path = waiting.pop()
            folder = self._folder(path)
            found = dict(folder.durable)
            for change in names(folder.pending):
                _rename(found, change)
            for name, number in sorted(found.items()):
                inner = str(PurePath(path, name))
                yield inner, number
                if number == FOLDER:
                    waiting.append(inner)

    def _flush(self, file: _File, kept: bool) -> None:
        if kept:
            file.durable = bytearray(_content(file.durable, file.pending))
        file.pending = []

    def _flush_names(self, folder: _Folder) -> None:
        for change in folder.pending:
            _rename(folder.durable, change)
        folder.pending = []

    def _file(self, number: int) -> _File:
        return self._files.setdefault(number, _File())

    def _folder(self, path: str) -> _Folder:
        return self._folders.setdefault(path, _Folder())


def _rename(names: dict[str, int], change: Named) -> None:
    for name, number in change.changes:
        if number is None:
            names.pop(name, None)
        else:
            names[name] = number


def _content(durable: bytearray, changes: Sequence[Wrote | Cut]) -> bytes:
    content = bytearray(durable)
    for change in changes:
        _change(content, change)
    return bytes(content)


def _change(content: bytearray, change: Wrote | Cut) -> None:
    if isinstance(change, Cut):
        del content[change.size :]
        content.extend(bytes(change.size - len(content)))
        return
    end = change.offset + len(change.content)
    content.extend(bytes(max(0, end - len(content))))
    content[change.offset : end] = change.content


def _surviving_writes(pending: Sequence[Wrote | Cut], chance: random.Random) -> list[Wrote | Cut]:
    match chance.choice(list(Fate)):
        case Fate.LOST:
            return []
        case Fate.KEPT:
            return list(pending)
        case Fate.BEGUN:
            begun = list(pending[: chance.randint(0, len(pending))])
            return [*begun[:-1], *_torn(begun[-1], chance)] if begun else []
        case Fate.SCATTERED:
            kept = [change for change in pending if chance.random() < 0.6]
            return [part for change in kept for part in (_torn(change, chance) if chance.random() < 0.3 else [change])]


def _torn(change: Wrote | Cut, chance: random.Random) -> list[Wrote | Cut]:
    """Any of a write's sectors; now and then one is rubbish, for it was being written."""
    if isinstance(change, Cut):
        return [change]
    sectors: list[Wrote | Cut] = []
    start = 0
    while start < len(change.content):
        end = min(len(change.content), start + SECTOR_BYTES - (change.offset + start) % SECTOR_BYTES)
        drawn = chance.random()
        if drawn < 0.05:
            sectors.append(Wrote(change.file, change.offset + start, chance.randbytes(end - start)))
        elif drawn < 0.5:
            sectors.append(Wrote(change.file, change.offset + start, change.content[start:end]))
        start = end
    return sectors


def _surviving_names(pending: Sequence[Named], chance: random.Random) -> list[Named]:
    match chance.choice(list(Fate)):
        case Fate.LOST:
            return []
        case Fate.KEPT:
            return list(pending)
        case Fate.BEGUN:
            return list(pending[: chance.randint(0, len(pending))])
        case Fate.SCATTERED:
            return [change for change in pending if chance.random() < 0.6]
