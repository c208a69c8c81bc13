"""Bad inputs 57 and 58: backups that lead out, are too large, changed or newer, given to `quire restore`."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from quiredb.cli.exit_codes import ExitCode
from quiredb.storage.backups.folder import MARKER_NAME, BackupFolder
from reliability.archives.hostile import HARMLESS, TAMPERED, Prey, Tamper
from reliability.archives.samples import contents, make_data, take
from reliability.bad_inputs.world import Command, World

_NEWER = ("a newer backup", "newer data")
_CHANGED = ("a record that is a pickle", "a catalogue that is a pickle", "records of two libraries swapped", *_NEWER)
_LIBRARIES = {"one": 12, "two": 5}


def _flipped(path: Callable[[Prey], Path]) -> Tamper:
    """One bit in the middle of a file."""

    def tamper(prey: Prey) -> None:
        content = bytearray(path(prey).read_bytes())
        content[len(content) // 2] ^= 1
        path(prey).write_bytes(content)

    return tamper


_FLIPPED: Mapping[str, Tamper] = {
    "a flipped bit in the manifest": _flipped(lambda prey: prey.manifest_path),
    "a flipped bit in a record": _flipped(lambda prey: prey.block_path(prey.library["record"]["blocks"][0])),
    "a flipped bit in the catalogue": _flipped(lambda prey: prey.block_path(prey.manifest["catalogue"]["blocks"][0])),
    "a flipped bit in the marker": _flipped(lambda prey: prey.folder / MARKER_NAME),
}


class Archives:
    """A good backup, copies of which are tampered with, each in a folder of its own."""

    def __init__(self, root: Path) -> None:
        self._root = root
        make_data(root / "data", _LIBRARIES)
        self._good = BackupFolder.open_or_make(root / "good")
        take(root / "data", self._good)
        self._truth = contents(root / "data")
        self._made = 0

    def refused(self, what: str, tamper: Tamper) -> Command:
        """A backup that must be refused, for damage or (marker and formats) as of a newer program; nothing is left."""
        place = self._tampered(tamper)
        before = _all_files(place)
        newer = what in _NEWER or "the marker" in what
        code = ExitCode.CONFIGURATION if newer else ExitCode.DAMAGED_DATA

        def check(_: str) -> str | None:
            changed = sorted(set(_all_files(place).items()) ^ set(before.items()))
            return f"changed {[path for path, _ in changed][:3]}" if changed else None

        return Command(what, _restore(place), code, check)

    def harmless(self, what: str, tamper: Tamper) -> Command:
        """A backup that is restored to what was backed up, and does nothing else."""
        place = self._tampered(tamper)
        before = _all_files(place)

        def check(_: str) -> str | None:
            restored = contents(place / "target")
            shutil.rmtree(place / "target")
            if restored != self._truth:
                return "restored something else"
            return None if _all_files(place) == before else "did more than restore"

        return Command(what, _restore(place), ExitCode.OK, check)

    def _tampered(self, tamper: Tamper) -> Path:
        self._made += 1
        place = self._root / f"place-{self._made}"
        shutil.copytree(self._good.path, place / "backups")
        (place / "outside").mkdir()
        (place / "outside" / "secret").write_bytes(b"a secret " * 100)
        tamper(Prey(place / "backups", place / "outside"))
        return place


def unsafe_archives(world: World) -> Iterator[Command]:
    """57"""
    archives = Archives(world.scratch / "unsafe")
    for what, tamper in TAMPERED.items():
        if what not in _CHANGED:
            yield archives.refused(what, tamper)


def changed_archives(world: World) -> Iterator[Command]:
    """58"""
    archives = Archives(world.scratch / "changed")
    for what, tamper in {**_FLIPPED, **{what: TAMPERED[what] for what in _CHANGED}}.items():
        yield archives.refused(what, tamper)
    for what, tamper in HARMLESS.items():
        yield archives.harmless(what, tamper)


def _restore(place: Path) -> list[str]:
    return ["restore", str(place / "backups"), "--to", str(place / "target")]


def _all_files(place: Path) -> dict[str, bytes | None]:
    """Everything below a folder, with the content of what is small and no link."""
    return {str(path.relative_to(place)): path.read_bytes() if _is_plain(path) else None for path in place.rglob("*")}


def _is_plain(path: Path) -> bool:
    return not path.is_symlink() and path.is_file() and path.stat().st_size < 2**24


ARCHIVE_ROWS = {57: unsafe_archives, 58: changed_archives}
"""By the number of the row."""
