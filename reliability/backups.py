"""Backups that must restore to what was there: `python -m reliability.backups [--count N] [--seed S]`.

`--count` backups of an open folder under a load of commits, builds and checkpoints are restored and held against a dict
of what was written up to their position. Then: every byte of a small backup is flipped, hostile folders of backups are
restored, and taking and restoring are killed before each of their steps.
"""

from __future__ import annotations

import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType

from quiredb.domain.errors import QuireError
from quiredb.storage.backups.folder import BackupFolder
from quiredb.storage.backups.restore import restore_backup
from reliability.archives.hostile import HARMLESS, TAMPERED, Prey, Tamper
from reliability.archives.load import try_under_load
from reliability.archives.samples import Contents, contents, make_data, names, take
from reliability.command_line import Rig, run_rig
from reliability.findings import Findings
from reliability.planted import call_with
from reliability.records import Record
from reliability.steps import kill_at_each_step

COUNT = 200


def try_edits(root: Path, every: int, seed: int, found: Findings) -> None:
    """One bit of every byte of a small backup: marker and manifest all of them, blocks each `every`-th."""
    backups = _small_backup(root, {"one": 5})
    chance = random.Random(seed)
    sizes = backups.backup().manifest.blocks()
    for path in sorted(path for path in backups.path.rglob("*") if path.is_file() and path.name != "quire-backup.lock"):
        original = path.read_bytes()
        step = every if path.name in sizes else 1
        with path.open("r+b", buffering=0) as stream:
            for place in range(chance.randrange(step), len(original), step):
                os.pwrite(stream.fileno(), bytes([original[place] ^ 1 << chance.randrange(8)]), place)
                found.counts["bytes edited"] += 1
                if not _is_refused(backups, path, sizes):
                    found.violation(f"byte {place} of {path.relative_to(backups.path)} may change")
                os.pwrite(stream.fileno(), original[place : place + 1], place)
        for shortened in (original[:-1], original[: len(original) // 2], b"", original + b"\0"):
            path.write_bytes(shortened)
            found.counts["lengths edited"] += 1
            if not _is_refused(backups, path, sizes):
                found.violation(f"{path.relative_to(backups.path)} may have {len(shortened)} bytes")
        path.write_bytes(original)


def _is_refused(backups: BackupFolder, path: Path, sizes: dict[str, int]) -> bool:
    """What `quire verify` says; what was not edited is as it was, and need not be read again."""
    if path.name in sizes:
        return bool(backups.complaints(path.name, sizes[path.name]))
    try:
        BackupFolder.open(backups.path).backup()
    except QuireError:
        return True
    return False


def try_hostile(root: Path, found: Findings) -> None:
    """Folders of backups that were made to do harm."""
    good = _small_backup(root)
    for number, (what, tamper) in enumerate([*TAMPERED.items(), *HARMLESS.items()]):
        place = root / f"hostile-{number}"
        shutil.copytree(good.path, place / "backups")
        (place / "outside").mkdir()
        (place / "outside" / "secret").write_bytes(b"a secret " * 100)
        _try_one(place, what, tamper, found)
        found.counts["hostile backups"] += 1


def _try_one(place: Path, what: str, tamper: Tamper, found: Findings) -> None:
    prey = Prey(place / "backups", place / "outside")
    tamper(prey)
    before = _all_names(place)
    try:
        opened = BackupFolder.open(place / "backups")
        restore_backup(opened, opened.backup(), place / "target", lambda _: None)
        if what in TAMPERED:
            found.violation(f"{what}: was restored")
    except QuireError:
        if (place / "target").exists():
            found.violation(f"{what}: was refused, and left something")
    except (OSError, ValueError) as error:
        found.violation(f"{what}: {error!r}")
    new = {name for name in _all_names(place) - before if not name.startswith("target")}
    if new:
        found.violation(f"{what}: made {sorted(new)[:3]}")


def _all_names(place: Path) -> set[str]:
    return {str(path.relative_to(place)) for path in place.rglob("*")}


def try_kills(root: Path, stride: int, found: Findings) -> None:
    """Taking and restoring, killed before each step, or each `stride`-th."""
    backups = _small_backup(root)
    truth = contents(root / "data")

    def restore(into: str) -> None:
        restore_backup(backups, backups.backup(), root / into, lambda _: None)

    def judge_restore(step: int) -> None:
        if (root / "again").exists() and not _holds(root / "again", truth):
            found.violation(f"a restore killed before step {step} left half a folder")
        shutil.rmtree(root / "again", ignore_errors=True)
        restore("again")
        if not _holds(root / "again", truth) or names(root) != {"data", "backups", "again"}:
            found.violation(f"a restore after one killed before step {step} is not right: {names(root)}")
        shutil.rmtree(root / "again")

    found.counts["restores killed"] += kill_at_each_step(lambda: restore("again"), judge_restore, stride)
    shutil.rmtree(root / "again")
    (root / "empty").mkdir()
    known = backups.ids()

    def judge_take(step: int) -> None:
        other = BackupFolder.open_or_make(root / "empty")
        for backup in other.backups():
            if any(other.complaints(*block) for block in backup.manifest.blocks().items()):
                found.violation(f"a backup killed before step {step} is there and damaged")
        take(root / "data", other)
        restore_backup(other, other.backup(), root / "again", lambda _: None)
        if contents(root / "again") != truth or contents(root / "data") != truth:
            found.violation(f"a backup after one killed before step {step} is not right")
        shutil.rmtree(root / "again")
        shutil.rmtree(root / "empty")
        (root / "empty").mkdir()

    def take_all() -> None:
        take(root / "data", BackupFolder.open_or_make(root / "empty"))

    found.counts["backups killed"] += kill_at_each_step(take_all, judge_take, stride)
    assert backups.ids() == known


def _holds(data: Path, truth: dict[str, Contents]) -> bool:
    try:
        return contents(data) == truth
    except QuireError:
        return False


def _small_backup(root: Path, libraries: Mapping[str, int] = MappingProxyType({"one": 12, "two": 5})) -> BackupFolder:
    make_data(root / "data", libraries)
    backups = BackupFolder.open_or_make(root / "backups")
    take(root / "data", backups)
    return backups


PHASES: dict[str, Callable[[Path, int, Findings], None]] = {
    "killed": lambda root, seed, found: try_kills(root, 9, found),
    "hostile": lambda root, seed, found: try_hostile(root, found),
    "edited": lambda root, seed, found: try_edits(root, 997, seed, found),
    "under load": lambda root, seed, found: try_under_load(root, 10, seed, found),
}
"""The short form of each."""
BUGS = {
    "backup.ignore_seal": "edited",
    "backup.ignore_digests": "edited",
    "backup.trust_names": "hostile",
    "backup.skip_proof": "hostile",
    "backup.read_moving_files": "under load",
    "backup.build_in_place": "killed",
}
"""What can be planted, and which phase must see it."""


def run_phase(phase: str, seed: int) -> Findings:
    """The short form of one phase, in a folder of its own."""
    found = Findings(seed)
    with tempfile.TemporaryDirectory(prefix="quire-backups-") as folder:
        PHASES[phase](Path(folder), seed, found)
    return found


def run(count: int, seed: int) -> Record:
    """All of it: every byte, every step, and so many backups under load."""
    started = time.monotonic()
    found = Findings(seed)
    phases: tuple[Callable[[Path], None], ...] = (
        lambda root: try_kills(root, 1, found),
        lambda root: try_hostile(root, found),
        lambda root: try_edits(root, 1, seed, found),
        lambda root: try_under_load(root, count, seed, found),
    )
    for phase in phases:
        with tempfile.TemporaryDirectory(prefix="quire-backups-") as folder:
            phase(Path(folder))
    command = f"python -m reliability.backups --count {count} --seed {seed}"
    return Record("backups", command, seed, time.monotonic() - started, found.counts, found.violations)


def catch(bug: str, seed: int) -> str | None:
    """What the rig says of a planted bug, or None when it does not see it; in a process of its own."""
    violations = call_with(bug, partial(run_phase, BUGS[bug], seed)).violations
    return violations[0] if violations else None


if __name__ == "__main__":
    sys.exit(run_rig(Rig(run, COUNT, tuple(BUGS), catch), __doc__))
