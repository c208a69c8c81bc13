"""What a killed process left in the catalogue's log is taken over before anybody reads or writes behind it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from quiredb.domain.errors import DataDamaged
from quiredb.storage.check import check_folder
from quiredb.storage.database import open_beside
from quiredb.storage.folder import DataFolder
from quiredb.storage.keys import KeyTable
from reliability.disk.medium import Wrote
from reliability.disk.simulated_disk import simulated

NAMES = ("catalogue.sqlite", "catalogue.sqlite-wal")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with three commits in the catalogue's log."""
    data = tmp_path / "data"
    with closing(KeyTable.open(data)):
        pass
    connection = open_beside(data / NAMES[0])
    for number in range(3):
        connection.execute("INSERT INTO libraries VALUES (?, ?)", (f"library-{number}", f"0000000{number}"))
    left = {name: (data / name).read_bytes() for name in NAMES}
    connection.close()
    for name, content in left.items():
        (data / name).write_bytes(content)
    return data


def open_keys(data: Path) -> None:
    KeyTable.open(data).close()


def open_folder(data: Path) -> None:
    DataFolder.open(data).close()


def check(data: Path) -> None:
    check_folder(data)


@pytest.mark.parametrize("reach", [open_keys, open_folder, check])
def test_the_log_is_written_again_before_anything_is_merged(data: Path, reach: Callable[[Path], None]) -> None:
    """Its bytes may be in the system's cache only."""
    with simulated(data.parent, {f"data/{name}": number for number, name in enumerate(NAMES, 1)}) as journal:
        reach(data)
    files = [step.file for step in journal.steps if isinstance(step, Wrote) and step.file in {1, 2}]
    assert 1 in files, "nothing was merged"
    assert files[0] == 2
    with closing(DataFolder.open(data)) as folder:
        assert len(folder.catalogue.entries()) == 3


@pytest.mark.parametrize("reach", [open_keys, open_folder])
def test_a_damaged_log_is_refused_and_stays(data: Path, reach: Callable[[Path], None]) -> None:
    """Merged up to the damage and removed, it would take acknowledged commits with it."""
    log = data / NAMES[1]
    content = bytearray(log.read_bytes())
    content[100] ^= 1
    log.write_bytes(content)
    with pytest.raises(DataDamaged, match="commits behind it"):
        reach(data)
    assert log.read_bytes() == content
    assert any("commits behind it" in finding.what for finding in check_folder(data))
    assert log.read_bytes() == content
