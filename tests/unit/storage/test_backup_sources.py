"""What a backup makes of a folder that a killed server left, of files that go meanwhile, and of its own note."""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any

import pytest

from quiredb.storage.backups.folder import BackupFolder
from quiredb.storage.backups.note import last_backup, note_backup
from quiredb.storage.library_store import DATABASE_NAME
from tests.unit.storage.backups import make_data, stores, take
from tests.unit.storage.building import START, put, write


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with a data folder of two libraries in it."""
    make_data(tmp_path / "data", {"large": 100, "small": 10})
    return tmp_path


@pytest.fixture
def backups(tmp_path: Path) -> BackupFolder:
    return BackupFolder.open_or_make(tmp_path / "backups")


def test_a_library_whose_log_is_damaged_is_named_and_its_log_stays(root: Path, backups: BackupFolder) -> None:
    """A killed server left commits in it; without those behind the damage the backup would be of an older state."""
    store = stores(root / "data")["small"]
    path = store.segment_path("x").parents[1]
    for number in range(3):
        write(store, put(f"c{number}"))
    left = {name: (path / name).read_bytes() for name in (DATABASE_NAME, f"{DATABASE_NAME}-wal")}
    store.close()
    for name, content in left.items():
        (path / name).write_bytes(content)
    log = path / f"{DATABASE_NAME}-wal"
    content = bytearray(log.read_bytes())
    content[100] ^= 1
    log.write_bytes(content)

    manifest = take(root / "data", backups).backup.manifest
    assert [library.id for library in manifest.libraries] == ["large"]
    (omitted,) = manifest.omitted
    assert omitted.id == "small"
    assert "commits behind it" in omitted.reason
    assert log.read_bytes() == content


def test_a_segment_that_a_merge_removes_meanwhile_is_left_out(
    root: Path, backups: BackupFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_file = Path.open

    def removed_first(path: Path, *given: Any) -> IO[Any]:
        if path.name == "0-9-1-ab":
            path.unlink(missing_ok=True)
        return open_file(path, *given)

    with monkeypatch.context() as merging:
        merging.setattr(Path, "open", removed_first)
        manifest = take(root / "data", backups).backup.manifest
    assert [library.segments for library in manifest.libraries] == [(), ()]
    assert manifest.omitted == ()


@pytest.mark.parametrize("content", [b"", b"?", b'{"at": 5}', b'{"at": "yesterday"}', b"[]"])
def test_the_note_of_the_last_backup_is_believed_only_when_it_is_one(tmp_path: Path, content: bytes) -> None:
    assert last_backup(tmp_path) is None
    note_backup(tmp_path, START)
    assert last_backup(tmp_path) == START
    (tmp_path / "last-backup.json").write_bytes(content)
    assert last_backup(tmp_path) is None


def test_a_note_that_cannot_be_read_tells_nothing(tmp_path: Path) -> None:
    (tmp_path / "last-backup.json").mkdir()
    assert last_backup(tmp_path) is None
