"""Every byte of every kind of file flipped, and files cut short: `python -m reliability.rot [--count N] [--seed S]`.

Small folders with something of everything in them are damaged in one place, opened as a server opens them, and read
whole. What is found must be all that was there, or the damage must be refused and named; never anything else.
`--count` flips are drawn over all bytes; 0 flips one bit of every byte, and cuts every file at every length.

Two things cannot be told from an honest crash: damage in the last commit of a write-ahead log that was not merged looks
like a commit that was never finished, and a log cut short like one that never was longer. They are counted apart.
"""

from __future__ import annotations

import logging
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from quiredb.domain.errors import StorageFailed
from reliability.command_line import Rig, run_rig
from reliability.fixture_folders import KINDS, LOG, UNFORESEEN, Fixture, make_fixtures, state_of, write_files
from reliability.planted import plant
from reliability.records import Record

LANES = 2
DETECTED, HARMLESS = "detected", "harmless or repaired"
LAST_COMMIT, SHORTER = "last commit of a log dropped", "log cut short and read as a shorter one"
TRUNCATIONS_SHARE = 0.1
BUGS = ("storage.skip_page_checksums", "storage.skip_segment_checksums", "storage.trust_log_prefix")
FLIPS_TO_SEE = 400
_AT_ONCE = 50
_SHARED_MEMORY = "-shm"
_MEMORY_FOLDER = Path("/dev/shm")


@dataclass(frozen=True, slots=True)
class Damage:
    """One byte changed, or (`bit` None) the file cut before that byte."""

    fixture: str
    file: str
    offset: int
    bit: int | None

    def done_to(self, content: bytes) -> bytes:
        """The file's content after it."""
        if self.bit is None:
            return content[: self.offset]
        changed = content[self.offset] ^ (1 << self.bit)
        return content[: self.offset] + bytes([changed]) + content[self.offset + 1 :]

    def __str__(self) -> str:
        what = "cut" if self.bit is None else f"bit {self.bit} flipped"
        return f"{self.fixture}: {self.file} {what} at byte {self.offset}"


def verdict(fixture: Fixture, path: Path, *, log_was_cut: bool = False) -> str:
    """One of the words above, or what is wrong, beginning with `WRONG`."""
    try:
        found = state_of(path)
    except StorageFailed:
        return DETECTED
    except UNFORESEEN as error:
        return f"WRONG: {type(error).__name__}: {error}"
    if found == fixture.state:
        return HARMLESS
    if fixture.before and found == fixture.before[0]:
        return LAST_COMMIT
    if log_was_cut and found in fixture.before:
        return SHORTER
    if found.keys() != fixture.state.keys():
        return f"WRONG: libraries {sorted(found)} instead of {sorted(fixture.state)}"
    differing = [name for name, state in fixture.state.items() if found[name] != state]
    silent = [name for name in differing if not found[name].startswith("damaged: ")]
    return f"WRONG: {silent} silently differ" if silent else DETECTED


def all_damage(fixtures: dict[str, Fixture], seed: int, bits: int = 1) -> Iterator[Damage]:
    """So many bits of every byte of every file, and every file cut at every length."""
    chance = random.Random(seed)
    for name, fixture in fixtures.items():
        for file, content in fixture.files.items():
            if file.endswith(_SHARED_MEMORY) or not _is_new(name, file):
                continue
            for offset in range(len(content)):
                for bit in chance.sample(range(8), bits):
                    yield Damage(name, file, offset, bit)
                yield Damage(name, file, offset, None)


def drawn_damage(fixtures: dict[str, Fixture], seed: int, count: int) -> list[Damage]:
    """So many flips and cuts by chance, as many of each file."""
    chance = random.Random(seed)
    places = [
        (name, file)
        for name, fixture in fixtures.items()
        for file in fixture.files
        if fixture.files[file] and _is_new(name, file)
    ]
    drawn = []
    for number in range(count):
        name, file = places[number % len(places)]
        bit = None if chance.random() < TRUNCATIONS_SHARE else chance.randrange(8)
        drawn.append(Damage(name, file, chance.randrange(len(fixtures[name].files[file])), bit))
    return drawn


def _is_new(fixture: str, file: str) -> bool:
    """Whether this fixture is the one to damage this kind of file in: the others have the same."""
    return fixture == LOG or (fixture in KINDS and "segments" in file) or fixture == "graph"


_fixtures: dict[str, Fixture] = {}


def _receive(fixtures: dict[str, Fixture], bugs: Sequence[str]) -> None:
    """In each process of the pool: the fixtures, and the bugs to plant."""
    logging.disable(logging.CRITICAL)
    _fixtures.update(fixtures)
    for bug in bugs:
        plant(bug)


def _judge(damages: Sequence[Damage]) -> list[tuple[str, str]]:
    """Kind of file and verdict of each, with what was done where it is wrong."""
    judged = []
    with tempfile.TemporaryDirectory(dir=_MEMORY_FOLDER if _MEMORY_FOLDER.is_dir() else None) as scratch:
        path = Path(scratch) / "folder"
        for damage in damages:
            fixture = _fixtures[damage.fixture]
            content = damage.done_to(fixture.files[damage.file])
            write_files(path, {**fixture.files, damage.file: content})
            found = verdict(fixture, path, log_was_cut=damage.bit is None and damage.file.endswith("-wal"))
            judged.append((found.partition(":")[0], f"{damage}: {found}"))
    return judged


def judge_all(
    damages: Sequence[Damage], fixtures: dict[str, Fixture], bugs: Sequence[str] = ()
) -> Iterator[tuple[str, str]]:
    """Verdicts, and the words for those that are wrong."""
    parts = [damages[first : first + _AT_ONCE] for first in range(0, len(damages), _AT_ONCE)]
    with ProcessPoolExecutor(LANES, get_context("spawn"), _receive, (fixtures, bugs)) as pool:
        for judged in pool.map(_judge, parts):
            yield from judged


def run(count: int, seed: int, bugs: Sequence[str] = (), bits: int = 1) -> Record:
    """`count` drawn places, or (0) `bits` of every byte and every length."""
    started = time.monotonic()
    fixtures = make_fixtures()
    damages = drawn_damage(fixtures, seed, count) if count else list(all_damage(fixtures, seed, bits))
    counts: Counter[str] = Counter()
    violations = []
    for verdict_, words in judge_all(damages, fixtures, bugs):
        counts[verdict_] += 1
        if verdict_ == "WRONG":
            violations.append(f"seed {seed}: {words}")
    counts["flips"] = sum(one.bit is not None for one in damages)
    counts["cuts"] = len(damages) - counts["flips"]
    command = f"python -m reliability.rot --count {count} --seed {seed}"
    return Record("rot", command, seed, time.monotonic() - started, counts, violations)


def catch(bug: str, seed: int) -> str | None:
    """What the rig says of a planted bug, or None when it does not see it."""
    found = run(FLIPS_TO_SEE, seed, [bug])
    return found.violations[0] if found.violations else None


if __name__ == "__main__":
    sys.exit(run_rig(Rig(run, 5_000, BUGS, catch), __doc__))
