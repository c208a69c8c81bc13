"""The folders of every released data format, and what is in them (made by scripts/make_format_fixture.py)."""

from __future__ import annotations

import gzip
import hashlib
import json
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quiredb.domain.keys import digest_of
from quiredb.storage.folder import LOCK_NAME, DataFolder
from quiredb.storage.keys import KeyTable
from quiredb.storage.library_store import LibraryStore
from reliability.records import ROOT

FOLDER = ROOT / "tests" / "fixtures" / "formats"


@dataclass(frozen=True, slots=True)
class Fixture:
    """One format: a folder as a killed server left it, and what it must be found to hold."""

    number: int
    expected: dict[str, Any]

    @property
    def digests(self) -> dict[str, tuple[int, str]]:
        """Position and state digest of each library."""
        return {name: (position, digest) for name, (position, digest) in self.expected["digests"].items()}

    def unpack(self, target: Path) -> Path:
        """A copy of the folder; returns where."""
        packed = FOLDER / str(self.number) / "data"
        for path in sorted(packed.rglob("*.gz")):
            place = target / path.relative_to(packed).with_suffix("")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(gzip.decompress(path.read_bytes()))
        return target


def fixtures() -> list[Fixture]:
    """All of them, the oldest first."""
    numbers = sorted(int(path.name) for path in FOLDER.iterdir())
    return [Fixture(number, json.loads((FOLDER / str(number) / "expected.json").read_text())) for number in numbers]


def differences(data: Path, fixture: Fixture) -> list[str]:
    """What a folder that nobody has open holds otherwise than the fixture: libraries, states, the key."""
    found = {}
    with closing(DataFolder.open(data)) as folder:
        for name, key in folder.catalogue.entries().items():
            with closing(LibraryStore.open(folder.library_folder(key))) as store:
                position = store.library().position
                found[name] = (position, store.digest(position))
    wrong = [] if found == fixture.digests else [f"holds {found} instead of {fixture.digests}"]
    with closing(KeyTable.open(data)) as table:
        if digest_of(fixture.expected["key"].encode()) not in table.by_digest():
            wrong.append("the key is gone")
    return wrong


def fingerprint(data: Path, *, but_for_the_lock: bool = False) -> str:
    """A digest of every name and byte in a folder."""
    state = hashlib.sha256()
    for path in sorted(data.rglob("*")):
        if but_for_the_lock and path.name == LOCK_NAME:
            continue
        content = path.read_bytes() if path.is_file() else b""
        state.update(f"{path.relative_to(data)} {len(content)} ".encode() + content)
    return state.hexdigest()
