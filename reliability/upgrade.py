"""Data folders of every released format, and of none yet: `python -m reliability.upgrade`.

Each is opened, which upgrades it, and is killed before every step of that; what the next start finds must be what was
in it. Folders of newer formats must be refused by every command, with exit code 78, unchanged to the byte.
"""

from __future__ import annotations

import io
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing, redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path

import apsw

from quiredb.cli.exit_codes import ExitCode
from quiredb.cli.main import main
from quiredb.domain.errors import QuireError
from quiredb.repositories.libraries import LibraryRepository
from quiredb.storage.database import VFS_NAME
from quiredb.storage.folder import CATALOGUE_NAME, MARKER_NAME
from quiredb.storage.keys import KeyTable
from reliability.command_line import Rig, run_rig
from reliability.findings import Findings
from reliability.formats import Fixture, differences, fingerprint, fixtures
from reliability.planted import call_with
from reliability.records import Record
from reliability.steps import kill_at_each_step

_NEWER = 1_000
"""A format that no program of today knows. Not told by the program: the bug that is planted changes what it says."""
BUGS = ("upgrade.mark_last", "upgrade.upgrade_in_pieces", "upgrade.take_any_format")
COMMANDS: dict[str, Callable[[Path], Sequence[object]]] = {
    "serve": lambda data: ["serve", "--data", data, "--port", 0],
    "check": lambda data: ["check", data],
    "key list": lambda data: ["key", "list", "--data", data],
    "key create": lambda data: ["key", "create", "--name", "x", "--data", data],
    "key revoke": lambda data: ["key", "revoke", "x", "--data", data],
    "stats": lambda data: ["stats", "flat", "--data", data],
    "libraries": lambda data: ["libraries", "--data", data],
    "backup": lambda data: ["backup", "--data", data, "--to", data.with_name("backups")],
}
"""What opens a data folder."""


def try_kills(fixture: Fixture, root: Path, stride: int, found: Findings) -> None:
    """Open a copy of the fixture, killed before each `stride`-th step; the next start finds everything."""
    data = root / "data"

    def judge(step: int) -> None:
        found.counts["upgrades killed"] += 1
        for complaint in (*_complaints_while_killed(data), *_differences(data, fixture)):
            found.violation(f"format {fixture.number}, killed before step {step}: {complaint}")
        shutil.rmtree(data)
        fixture.unpack(data)

    fixture.unpack(data)
    kill_at_each_step(lambda: _open(data), judge, stride)
    for complaint in _differences(data, fixture):
        found.violation(f"format {fixture.number}: {complaint}")
    found.counts["folders opened"] += 1


def _open(data: Path) -> None:
    KeyTable.open(data).close()
    LibraryRepository.open(data).close()


def _differences(data: Path, fixture: Fixture) -> list[str]:
    try:
        return differences(data, fixture)
    except (QuireError, apsw.Error) as error:
        return [f"cannot be opened: {error}"]


def _complaints_while_killed(data: Path) -> list[str]:
    """An older program would open a folder that says it is of its format, so it may hold nothing newer then."""
    copy = data.with_name("looked-at")
    shutil.copytree(data, copy)
    try:
        with closing(apsw.Connection(str(copy / CATALOGUE_NAME))) as connection:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        marked = json.loads((copy / MARKER_NAME).read_text())["format"]
    finally:
        shutil.rmtree(copy)
    return ["an older program would open keys with roles"] if "api_keys" in tables and marked == 1 else []


def try_newer(fixture: Fixture, root: Path, found: Findings) -> None:
    """Every command refuses a folder whose marker or catalogue is newer."""
    for what, alter in (("marker", _newer_marker), ("catalogue", _newer_catalogue)):
        data = fixture.unpack(root / what / "data")
        alter(data)
        for name, arguments in COMMANDS.items():
            before = fingerprint(data, but_for_the_lock=what == "catalogue")
            code = _code_of([str(argument) for argument in arguments(data)])
            found.counts["newer folders refused"] += 1
            if code != ExitCode.CONFIGURATION:
                found.violation(f"quire {name} ends with {code} on a folder with a newer {what}")
            if fingerprint(data, but_for_the_lock=what == "catalogue") != before:
                found.violation(f"quire {name} changes a folder with a newer {what}")


def _newer_marker(data: Path) -> None:
    (data / MARKER_NAME).write_text(json.dumps({"format": _NEWER}))


def _newer_catalogue(data: Path) -> None:
    raise_version(data / CATALOGUE_NAME)


def raise_version(database: Path) -> None:
    """Let a closed database say that it is of the next format."""
    with closing(apsw.Connection(str(database), vfs=VFS_NAME)) as connection:
        connection.pragma("user_version", int(connection.pragma("user_version")) + 1)
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)


def _code_of(arguments: list[str]) -> int:
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        return main(arguments)


def run(stride: int, seed: int) -> Record:
    """All fixtures; `stride` 1: every step."""
    started = time.monotonic()
    found = Findings(seed)
    for fixture in fixtures():
        with tempfile.TemporaryDirectory(prefix="quire-upgrade-") as root:
            try_kills(fixture, Path(root), stride, found)
        with tempfile.TemporaryDirectory(prefix="quire-upgrade-") as root:
            try_newer(fixture, Path(root), found)
    command = f"python -m reliability.upgrade --count {stride}"
    return Record("upgrade", command, seed, time.monotonic() - started, found.counts, found.violations)


def catch(bug: str, seed: int) -> str | None:
    """What the rig says of a planted bug, or None when it does not see it; in a process of its own."""
    return call_with(bug, partial(_try_oldest, seed))


def _try_oldest(seed: int) -> str | None:
    found = Findings(seed)
    oldest = fixtures()[0]
    with tempfile.TemporaryDirectory(prefix="quire-upgrade-") as folder:
        try_newer(oldest, Path(folder) / "newer", found)
        if not found.violations:
            try_kills(oldest, Path(folder), 1, found)
    return found.violations[0] if found.violations else None


if __name__ == "__main__":
    sys.exit(run_rig(Rig(run, 1, BUGS, catch), __doc__))
