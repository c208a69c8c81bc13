from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from quiredb.domain.commands import IdempotencyToken
from quiredb.domain.errors import (
    Conflict,
    DataDamaged,
    FolderInUse,
    FormatUnsupported,
    IdempotencyKeyReused,
    NotFound,
)
from quiredb.storage import catalogue as catalogue_module
from quiredb.storage.folder import DataFolder
from quiredb.storage.library_store import LibraryStore
from tests.unit.storage.building import create_command, instant, put, write

KEY = "0123456789abcdef"
HOLDER = """
import sys
from pathlib import Path
from quiredb.storage.folder import DataFolder
folder = DataFolder.open(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def contents(path: Path) -> dict[str, bytes]:
    return {str(entry.relative_to(path)): entry.read_bytes() for entry in path.rglob("*") if entry.is_file()}


def test_a_folder_keeps_its_libraries_and_its_secret(tmp_path: Path) -> None:
    folder = DataFolder.open(tmp_path / "new" / "data")
    folder.catalogue.add("library", KEY, None)
    secret = folder.secret
    folder.close()
    reopened = DataFolder.open(tmp_path / "new" / "data")
    assert reopened.catalogue.entries() == {"library": KEY}
    assert reopened.secret == secret
    assert len(secret) == 32
    reopened.close()
    other = DataFolder.open(tmp_path / "other")
    assert other.secret != secret
    other.close()


def test_nobody_else_may_look_into_a_folder(tmp_path: Path) -> None:
    DataFolder.open(tmp_path / "data").close()
    assert (tmp_path / "data").stat().st_mode & 0o077 == 0


def test_a_second_process_is_refused_until_the_first_dies(tmp_path: Path) -> None:
    path = tmp_path / "data"
    command = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        before = contents(path)
        with pytest.raises(FolderInUse, match=f"process {holder.pid}"):
            DataFolder.open(path)
        assert contents(path) == before
        holder.kill()
    DataFolder.open(path).close()


def test_the_same_process_is_refused_too(tmp_path: Path) -> None:
    folder = DataFolder.open(tmp_path)
    with pytest.raises(FolderInUse, match=str(os.getpid())):
        DataFolder.open(tmp_path)
    folder.close()


@pytest.mark.parametrize("marker", [b'{"format":3}', b'{"format":"2"}'])
def test_a_newer_folder_is_refused_with_no_byte_changed(tmp_path: Path, marker: bytes) -> None:
    DataFolder.open(tmp_path).close()
    (tmp_path / "quire.json").write_bytes(marker)
    before = contents(tmp_path)
    with pytest.raises(FormatUnsupported):
        DataFolder.open(tmp_path)
    assert contents(tmp_path) == before


def test_a_newer_library_is_refused_with_no_byte_changed(tmp_path: Path) -> None:
    LibraryStore.create(tmp_path / "library", create_command()).close()
    path = tmp_path / "library" / "library.sqlite"
    content = bytearray(path.read_bytes())
    content[63] = 2
    path.write_bytes(content)
    before = contents(tmp_path)
    with pytest.raises(FormatUnsupported, match="format 2"):
        LibraryStore.open(tmp_path / "library")
    assert contents(tmp_path) == before


def test_a_foreign_folder_is_refused_and_stays_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(FormatUnsupported, match="empty or new"):
        DataFolder.open(tmp_path)
    assert contents(tmp_path) == {"letter.txt": b"mine"}
    with pytest.raises(FormatUnsupported):
        DataFolder.open(tmp_path / "letter.txt")


def test_stray_files_do_not_stop_a_start(tmp_path: Path) -> None:
    (tmp_path / "lost+found").mkdir()
    (tmp_path / ".DS_Store").write_bytes(b"")
    DataFolder.open(tmp_path).close()
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "libraries" / ".DS_Store").write_bytes(b"")
    folder = DataFolder.open(tmp_path)
    folder.remove_orphans()
    folder.close()
    assert (tmp_path / "notes.txt").exists()


def test_a_folder_half_made_before_a_crash_is_finished(tmp_path: Path) -> None:
    (tmp_path / "quire.lock").write_text("1\n")
    (tmp_path / "quire.json.tmp").write_text("{")
    DataFolder.open(tmp_path).close()
    for name in ("catalogue.sqlite", "quire.lock"):
        (tmp_path / name).unlink()
    (tmp_path / "catalogue.sqlite.tmp").write_bytes(b"half")
    folder = DataFolder.open(tmp_path)
    assert folder.catalogue.entries() == {}
    folder.close()


def test_a_lost_catalogue_is_damage_not_a_new_folder(tmp_path: Path) -> None:
    folder = DataFolder.open(tmp_path)
    LibraryStore.create(folder.library_folder(KEY), create_command()).close()
    folder.close()
    (tmp_path / "catalogue.sqlite").unlink()
    with pytest.raises(DataDamaged, match="catalogue"):
        DataFolder.open(tmp_path)
    (tmp_path / "quire.json").write_bytes(b"")
    with pytest.raises(DataDamaged, match=r"quire\.json"):
        DataFolder.open(tmp_path)


def test_only_unlisted_library_folders_are_orphans(tmp_path: Path) -> None:
    folder = DataFolder.open(tmp_path)
    listed, orphan = folder.library_folder(KEY), folder.library_folder("fedcba9876543210")
    store = LibraryStore.create(listed, create_command())
    folder.catalogue.add("library", KEY, None)
    write(store, put("a"))
    store.close()
    LibraryStore.create(orphan, create_command()).close()
    assert folder.remove_orphans() == []
    assert not orphan.exists()
    store = LibraryStore.open(listed)
    assert store.library().chunk_count == 1
    store.close()
    folder.close()


def test_an_unlisted_library_that_nobody_deleted_stays(tmp_path: Path) -> None:
    """The catalogue may be an old copy: what it does not know is not rubbish."""
    folder = DataFolder.open(tmp_path)
    unlisted = folder.library_folder(KEY)
    store = LibraryStore.create(unlisted, create_command())
    position = write(store, put("a")).position
    store.close()
    assert folder.remove_orphans() == [unlisted]
    folder.catalogue.remove("library", position)
    assert folder.remove_orphans() == []
    assert not unlisted.exists()
    folder.close()


def test_an_unlisted_library_that_cannot_be_read_stays(tmp_path: Path) -> None:
    folder = DataFolder.open(tmp_path)
    unlisted = folder.library_folder(KEY)
    unlisted.mkdir()
    (unlisted / "library.sqlite").write_bytes(b"damaged")
    assert folder.remove_orphans() == [unlisted]
    folder.remove_library(KEY)
    assert not unlisted.exists()
    folder.close()


def test_the_catalogue_keeps_nothing_in_its_log(tmp_path: Path) -> None:
    """Its pages have checksums only where they are merged."""
    folder = DataFolder.open(tmp_path)
    log = tmp_path / "catalogue.sqlite-wal"
    folder.catalogue.add("library", KEY, None)
    assert log.stat().st_size == 0
    folder.catalogue.remove("library", 7)
    assert log.stat().st_size == 0
    folder.close()


@pytest.mark.parametrize("key", ["..", "../../etc", "LIBRARY", "", "0123456789abcdeg"])
def test_only_keys_made_here_name_folders(tmp_path: Path, key: str) -> None:
    folder = DataFolder.open(tmp_path)
    with pytest.raises(NotFound):
        folder.library_folder(key)
    folder.close()


def test_creations_are_remembered_for_a_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    minute = 0
    monkeypatch.setattr(catalogue_module, "now", lambda: instant(minute))
    folder = DataFolder.open(tmp_path)
    token = IdempotencyToken("key", "digest")
    assert folder.catalogue.recall_creation(token) is None
    folder.catalogue.add("library", KEY, token)
    with pytest.raises(Conflict):
        folder.catalogue.add("library", "00", None)
    minute = 24 * 60 - 1
    assert folder.catalogue.recall_creation(token) == "library"
    with pytest.raises(IdempotencyKeyReused):
        folder.catalogue.recall_creation(IdempotencyToken("key", "other"))
    minute = 24 * 60
    assert folder.catalogue.recall_creation(token) is None
    folder.catalogue.add("second", "11" * 8, token)
    folder.catalogue.remove("second")
    assert folder.catalogue.recall_creation(token) is None
    assert folder.catalogue.entries() == {"library": KEY}
    folder.close()
