"""Forty-two things that people and tools do to a data folder behind a server's back, and what must come of each.

`python -m reliability.folder_edits [--plant BUG] [--save]`. Each edit is made to a closed folder with two libraries,
which is then opened.
"""

from __future__ import annotations

import fnmatch
import logging
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path

from quiredb.domain.errors import StorageFailed
from reliability.command_line import Rig, run_rig
from reliability.fixture_folders import PAIR, UNFORESEEN, Fixture, make_fixtures, state_of, write_files
from reliability.planted import call_with
from reliability.records import Record

BUGS = ("upgrade.take_any_format", "repositories.believe_folders")


class Outcome(StrEnum):
    """What may come of an edit."""

    SAME = "nothing is lost"
    REFUSED = "the start is refused"
    QUARANTINED = "the library is named as damaged, others serve"
    EARLIER = "the library is as it was at an earlier commit"
    UNLISTED = "a library is not served, and its files stay"


@dataclass(frozen=True, slots=True)
class Edit:
    """One edit, done to the files of the folder."""

    name: str
    expected: Outcome
    do: Callable[[dict[str, bytes], Fixture], None]


LIBRARY, CATALOGUE, MARKER, LOCK = "library.sqlite", "catalogue.sqlite", "quire.json", "quire.lock"


def outcome(fixture: Fixture, path: Path) -> Outcome | str:
    """What came of an edit, or words for what must not be."""
    try:
        found = state_of(path)
    except StorageFailed:
        return Outcome.REFUSED
    except UNFORESEEN as error:
        return f"{type(error).__name__}: {error}"
    if found == fixture.state:
        return Outcome.SAME
    if found.keys() < fixture.state.keys():
        files = [file for file in path.rglob(LIBRARY) if file.is_file()]
        return Outcome.UNLISTED if len(files) == 2 else f"a library is gone: {sorted(found)}"
    differing = {name for name, state in fixture.state.items() if found.get(name) != state}
    if all(found[name].startswith("damaged: ") for name in differing):
        return Outcome.QUARANTINED
    if all(found[name] == fixture.before[0][name] for name in differing):
        return Outcome.EARLIER
    return f"{sorted(differing)} silently differ"


def run(_count: int, seed: int) -> Record:
    """Every edit once."""
    started = time.monotonic()
    counts: Counter[str] = Counter()
    violations = []
    fixture = make_fixtures()[PAIR]
    with tempfile.TemporaryDirectory() as scratch:
        for edit in EDITS:
            path = Path(scratch) / "folder"
            files = dict(fixture.files)
            edit.do(files, fixture)
            write_files(path, files)
            found = outcome(fixture, path)
            counts["edits"] += 1
            counts[str(found)] += 1
            if found != edit.expected:
                violations.append(f"{edit.name}: expected that {edit.expected}, but {found}")
    return Record(
        "folder_edits", "python -m reliability.folder_edits", seed, time.monotonic() - started, counts, violations
    )


def catch(bug: str, seed: int) -> str | None:
    """What the rig says of a planted bug, or None when it does not see it; in a process of its own."""
    violations = call_with(bug, partial(run, 0, seed)).violations
    return violations[0] if violations else None


def _names(files: Mapping[str, bytes], pattern: str) -> list[str]:
    return [name for name in sorted(files) if fnmatch.fnmatch(name, f"*{pattern}")]


def _first(files: Mapping[str, bytes], pattern: str) -> str:
    return _names(files, pattern)[0]


def missing(pattern: str) -> Callable[[dict[str, bytes], Fixture], None]:
    """The file is gone."""
    return lambda files, _: files.__delitem__(_first(files, pattern))


def holding(pattern: str, make: Callable[[bytes], bytes]) -> Callable[[dict[str, bytes], Fixture], None]:
    """The file holds something else."""

    def do(files: dict[str, bytes], _: Fixture) -> None:
        name = _first(files, pattern)
        files[name] = make(files[name])

    return do


def swapped(pattern: str) -> Callable[[dict[str, bytes], Fixture], None]:
    """The two libraries have each other's file."""

    def do(files: dict[str, bytes], _: Fixture) -> None:
        one, other = _names(files, pattern)[:2]
        files[one], files[other] = files[other], files[one]

    return do


def old(pattern: str) -> Callable[[dict[str, bytes], Fixture], None]:
    """An old copy of the file was put back."""

    def do(files: dict[str, bytes], fixture: Fixture) -> None:
        name = _first(files, pattern)
        files[name] = fixture.earlier[name]

    return do


def stray(name: str, content: bytes = b"stray") -> Callable[[dict[str, bytes], Fixture], None]:
    """A file that is none of Quire's; `LIB` in its name stands for a library's folder."""

    def do(files: dict[str, bytes], _: Fixture) -> None:
        files[name.replace("LIB", str(Path(_first(files, LIBRARY)).parent))] = content

    return do


def copied(pattern: str, target: str) -> Callable[[dict[str, bytes], Fixture], None]:
    """A file was copied beside itself."""

    def do(files: dict[str, bytes], _: Fixture) -> None:
        name = _first(files, pattern)
        files[str(Path(name).with_name(target))] = files[name]

    return do


def _copy_library(files: dict[str, bytes], _: Fixture) -> None:
    folder = Path(_first(files, LIBRARY)).parent
    for name in [name for name in files if Path(name).is_relative_to(folder)]:
        files[str(folder.with_name("00000000deadbeef") / Path(name).relative_to(folder))] = files[name]


def _remove_library(files: dict[str, bytes], _: Fixture) -> None:
    folder = Path(_first(files, LIBRARY)).parent
    for name in [name for name in files if Path(name).is_relative_to(folder)]:
        del files[name]


def _rename_library(files: dict[str, bytes], _: Fixture) -> None:
    folder = Path(_first(files, LIBRARY)).parent
    for name in [name for name in files if Path(name).is_relative_to(folder)]:
        files[str(folder.with_name("feedfeedfeedfeed") / Path(name).relative_to(folder))] = files.pop(name)


def _all_old(files: dict[str, bytes], fixture: Fixture) -> None:
    files.clear()
    files.update(fixture.earlier)


def _half(content: bytes) -> bytes:
    return content[: len(content) // 2]


def _zeros(content: bytes) -> bytes:
    return bytes(len(content))


def _empty(_: bytes) -> bytes:
    return b""


def _longer(content: bytes) -> bytes:
    return content + b"\0" * 512


SEGMENT = "/segments/*"
EDITS = (
    Edit("the lock is missing", Outcome.SAME, missing(LOCK)),
    Edit("the lock is empty", Outcome.SAME, holding(LOCK, _empty)),
    Edit("the lock names another process", Outcome.SAME, holding(LOCK, lambda _: b"1\n")),
    Edit("the lock holds bytes that are no text", Outcome.SAME, holding(LOCK, lambda _: b"\xff" * 40)),
    Edit("the marker is missing", Outcome.REFUSED, missing(MARKER)),
    Edit("the marker is empty", Outcome.REFUSED, holding(MARKER, _empty)),
    Edit("the marker is cut", Outcome.REFUSED, holding(MARKER, _half)),
    Edit("the marker is of a newer program", Outcome.REFUSED, holding(MARKER, lambda _: b'{"format": 99}')),
    Edit("the marker is a list", Outcome.REFUSED, holding(MARKER, lambda _: b"[1]")),
    Edit("the marker says no number", Outcome.REFUSED, holding(MARKER, lambda _: b'{"format": "1"}')),
    Edit("the catalogue is missing", Outcome.REFUSED, missing(CATALOGUE)),
    Edit("the catalogue is empty", Outcome.REFUSED, holding(CATALOGUE, _empty)),
    Edit("the catalogue is cut", Outcome.REFUSED, holding(CATALOGUE, _half)),
    Edit("the catalogue is all zeros", Outcome.REFUSED, holding(CATALOGUE, _zeros)),
    Edit("the catalogue is a text", Outcome.REFUSED, holding(CATALOGUE, lambda _: b"text " * 1000)),
    Edit("a database of a library is missing", Outcome.QUARANTINED, missing(LIBRARY)),
    Edit("a database of a library is empty", Outcome.QUARANTINED, holding(LIBRARY, _empty)),
    Edit("a database of a library is cut", Outcome.QUARANTINED, holding(LIBRARY, _half)),
    Edit("a database of a library is all zeros", Outcome.QUARANTINED, holding(LIBRARY, _zeros)),
    Edit("a database of a library is longer", Outcome.SAME, holding(LIBRARY, _longer)),
    Edit("two libraries have each other's database", Outcome.QUARANTINED, swapped(LIBRARY)),
    Edit("an old copy of a library's database was put back", Outcome.EARLIER, old(LIBRARY)),
    Edit("a whole old folder was put back", Outcome.EARLIER, _all_old),
    Edit("a library's folder is missing", Outcome.QUARANTINED, _remove_library),
    Edit("a library's folder has another name", Outcome.QUARANTINED, _rename_library),
    Edit("a library's folder was copied", Outcome.SAME, _copy_library),
    Edit("a segment is missing", Outcome.SAME, missing(SEGMENT)),
    Edit("a segment is empty", Outcome.SAME, holding(SEGMENT, _empty)),
    Edit("a segment is cut", Outcome.SAME, holding(SEGMENT, _half)),
    Edit("a segment is all zeros", Outcome.SAME, holding(SEGMENT, _zeros)),
    Edit("a segment is longer", Outcome.SAME, holding(SEGMENT, _longer)),
    Edit("two libraries have each other's segment", Outcome.SAME, swapped(SEGMENT)),
    Edit("a segment was copied", Outcome.SAME, copied(SEGMENT, "0-1-1-00000000")),
    Edit("a log is all zeros", Outcome.SAME, stray(f"LIB/{LIBRARY}-wal", bytes(4096))),
    Edit("a log is no log", Outcome.SAME, stray(f"LIB/{LIBRARY}-wal", b"text " * 1000)),
    Edit("shared memory is no shared memory", Outcome.SAME, stray(f"LIB/{LIBRARY}-shm", b"text " * 1000)),
    Edit("a temporary file was left", Outcome.SAME, stray(f"LIB/{LIBRARY}.tmp")),
    Edit("a temporary segment was left", Outcome.SAME, stray("LIB/segments/0-9-9-00000000.tmp")),
    Edit("a stray file beside the catalogue", Outcome.SAME, stray("notes.txt")),
    Edit("a hidden file beside the libraries", Outcome.SAME, stray("libraries/.DS_Store")),
    Edit("a stray file in a library's folder", Outcome.SAME, stray("LIB/readme.txt")),
    Edit("a stray folder beside the libraries", Outcome.SAME, stray("libraries/lost+found/file")),
)


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    sys.exit(run_rig(Rig(run, len(EDITS), BUGS, catch), __doc__))
