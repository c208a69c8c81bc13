"""Taking, verifying, restoring and removing backups of a closed folder."""

from __future__ import annotations

import shutil
from contextlib import closing
from operator import attrgetter
from pathlib import Path

import pytest

from quiredb.domain.errors import DataDamaged, FolderInUse, FormatUnsupported, NotFound, StorageFull
from quiredb.domain.keys import ApiKey
from quiredb.domain.rights import Role
from quiredb.storage.backups import restore as restoring
from quiredb.storage.backups.folder import BLOCKS_NAME, BackupFolder
from quiredb.storage.backups.manifest import BLOCK_BYTES
from quiredb.storage.backups.restore import restore_backup
from quiredb.storage.backups.source import Block, offline_parts
from quiredb.storage.backups.stream import decode_parts, encode_part
from quiredb.storage.check import check_folder
from quiredb.storage.folder import DataFolder
from quiredb.storage.keys import KeyTable
from quiredb.storage.lock import FolderLock
from tests.unit.storage.backups import contents, digests, make_data, stores, take
from tests.unit.storage.building import START, fill, put, write


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with two libraries and a folder with one backup of it; copied by each test."""
    root = tmp_path_factory.mktemp("backups")
    make_data(root / "data", {"large": 3_000, "small": 10})
    take(root / "data", BackupFolder.open_or_make(root / "backups"))
    return root


@pytest.fixture
def root(template: Path, tmp_path: Path) -> Path:
    copied = tmp_path / "root"
    shutil.copytree(template, copied)
    return copied


@pytest.fixture
def backups(root: Path) -> BackupFolder:
    return BackupFolder.open(root / "backups")


def restore(backups: BackupFolder, target: Path, library: str | None = None) -> None:
    restore_backup(backups, backups.backup(), target, lambda _: None, library)


def test_a_restored_folder_is_the_folder(root: Path, backups: BackupFolder) -> None:
    restore(backups, root / "again")

    assert digests(root / "again") == digests(root / "data")
    assert check_folder(root / "again") == []
    with closing(DataFolder.open(root / "data")) as before, closing(DataFolder.open(root / "again")) as after:
        assert after.secret == before.secret
        assert after.catalogue.entries() == before.catalogue.entries()
    for store in stores(root / "again").values():
        with closing(store):
            (record,) = store.segments()
            assert store.segment_path(record.name).stat().st_size == record.bytes


def test_the_manifest_states_position_counts_and_digest(root: Path, backups: BackupFolder) -> None:
    manifest = backups.backup().manifest

    assert {one.id: (one.position, one.digest) for one in manifest.libraries} == digests(root / "data")
    assert {one.id: (one.documents, one.chunks) for one in manifest.libraries} == {
        "large": (30, 2_999),
        "small": (1, 9),
    }


def test_a_second_backup_stores_only_what_is_new(root: Path, backups: BackupFolder) -> None:
    nothing_new = take(root / "data", backups)
    with closing(stores(root / "data")["small"]) as store:
        write(store, put("another"))
    little_new = take(root / "data", backups)

    assert (nothing_new.new_blocks, nothing_new.new_bytes) == (0, 0)
    assert 0 < little_new.new_bytes <= 2 * BLOCK_BYTES
    assert len(backups.ids()) == 3
    assert backups.backup().id == little_new.backup.id


def test_old_and_new_backups_restore_to_their_own_states(root: Path, backups: BackupFolder) -> None:
    before = digests(root / "data")
    with closing(stores(root / "data")["small"]) as store:
        fill(store, 500)
    take(root / "data", backups)
    old, new = (backups.backup(backup_id) for backup_id in backups.ids())
    restore_backup(backups, old, root / "old", lambda _: None)
    restore_backup(backups, new, root / "new", lambda _: None)

    assert digests(root / "old") == before
    assert digests(root / "new") == digests(root / "data") != before


def test_removing_a_backup_keeps_what_others_need(root: Path, backups: BackupFolder) -> None:
    with closing(stores(root / "data")["small"]) as store:
        fill(store, 500)
    take(root / "data", backups)
    old, new = backups.ids()
    freed = backups.remove(old)

    assert freed > 0
    assert backups.ids() == [new]
    assert backups.known_blocks() == backups.backup().manifest.blocks().keys()
    restore(backups, root / "again")
    assert digests(root / "again") == digests(root / "data")
    assert backups.remove(new) > 0
    assert backups.known_blocks() == frozenset()


def test_nothing_is_collected_while_a_manifest_cannot_be_read(root: Path, backups: BackupFolder) -> None:
    take(root / "data", backups)
    old, new = backups.ids()
    (backups.path / "manifests" / new).write_bytes(b"?")
    known = backups.known_blocks()

    with pytest.raises(DataDamaged):
        backups.remove(old)
    assert backups.known_blocks() == known


def test_one_library_can_be_restored_alone(root: Path, backups: BackupFolder) -> None:
    restore(backups, root / "again", "small")

    assert digests(root / "again") == {"small": digests(root / "data")["small"]}
    assert check_folder(root / "again") == []
    with pytest.raises(NotFound):
        restore(backups, root / "none", "missing")
    assert not (root / "none").exists()


def test_a_stream_in_pieces_of_any_size_is_the_same_backup(root: Path, tmp_path: Path) -> None:
    with closing(DataFolder.open(root / "data")) as folder:
        stream = b"".join(map(encode_part, offline_parts(folder, frozenset(), "test")))
    pieces = (stream[start : start + 70_001] for start in range(0, len(stream), 70_001))
    other = BackupFolder.open_or_make(tmp_path / "other")
    other.take(decode_parts(pieces), lambda _: None)
    restore(other, root / "again")

    assert digests(root / "again") == digests(root / "data")


@pytest.mark.parametrize("kept", [0, 3, 2_000_000, -1])
def test_a_stream_that_breaks_off_adds_no_backup(root: Path, tmp_path: Path, kept: int) -> None:
    with closing(DataFolder.open(root / "data")) as folder:
        stream = b"".join(map(encode_part, offline_parts(folder, frozenset(), "test")))
    other = BackupFolder.open_or_make(tmp_path / "other")

    with pytest.raises(DataDamaged, match="broke off"):
        other.take(decode_parts([stream[:kept]]), lambda _: None)
    assert other.ids() == []


def test_a_block_under_another_digest_is_refused(backups: BackupFolder) -> None:
    with pytest.raises(DataDamaged, match="changed on its way"):
        backups.take([Block("0" * 64, b"content")], lambda _: None)


def test_a_block_that_is_a_folder_is_damage(backups: BackupFolder) -> None:
    digest, size = next(iter(backups.backup().manifest.blocks().items()))
    block = backups.path / BLOCKS_NAME / digest[:2] / digest
    block.unlink()
    block.mkdir()

    with pytest.raises(DataDamaged, match="no plain file"):
        backups.block(digest, size)


def test_a_manifest_without_its_blocks_is_refused(backups: BackupFolder, tmp_path: Path) -> None:
    other = BackupFolder.open_or_make(tmp_path / "other")

    with pytest.raises(DataDamaged, match="lacks"):
        other.take([backups.backup().manifest], lambda _: None)
    assert other.ids() == []


def test_a_backup_is_not_restored_over_anything(root: Path, backups: BackupFolder) -> None:
    before = contents(root / "data")
    (root / "file").write_bytes(b"mine")
    (root / "link").symlink_to(root / "data")
    for target in ("data", "file", "link"):
        with pytest.raises(FormatUnsupported):
            restore(backups, root / target)
    (root / "empty").mkdir()
    restore(backups, root / "empty")

    assert contents(root / "data") == before
    assert (root / "file").read_bytes() == b"mine"
    assert digests(root / "empty") == digests(root / "data")


def test_a_restore_that_runs_is_not_disturbed(root: Path, backups: BackupFolder) -> None:
    (root / ".again.restoring").mkdir()
    lock = FolderLock(root / ".again.restoring" / "quire.lock")
    with pytest.raises(FolderInUse):
        restore(backups, root / "again")
    lock.release()
    restore(backups, root / "again")

    assert digests(root / "again") == digests(root / "data")


def test_a_failed_restore_leaves_nothing(root: Path, backups: BackupFolder) -> None:
    for path in sorted((backups.path / BLOCKS_NAME).rglob("*")):
        if path.is_file():
            path.write_bytes(b"rotten")
    before = sorted(root.iterdir())

    with pytest.raises(DataDamaged):
        restore(backups, root / "again")
    assert sorted(root.iterdir()) == before


def test_another_state_than_the_manifest_names_is_refused(
    root: Path, backups: BackupFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restoring.LibraryStore, "digest", lambda *_: "0" * 64)

    with pytest.raises(DataDamaged, match="not in the state"):
        restore(backups, root / "again")
    assert not (root / "again").exists()


def test_too_little_space_is_known_before_anything_is_written(
    root: Path, backups: BackupFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(root)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1_000_000))
    before = sorted(root.iterdir())

    with pytest.raises(StorageFull):
        restore(backups, root / "again")
    assert sorted(root.iterdir()) == before


def test_a_secret_seals_manifests(root: Path, tmp_path: Path) -> None:
    sealed = BackupFolder.open_or_make(tmp_path / "sealed", b"a secret that is kept elsewhere")
    take(root / "data", sealed)

    assert BackupFolder.open(sealed.path, b"a secret that is kept elsewhere").backup().manifest.libraries
    for secret in (None, b"another secret of some length"):
        with pytest.raises(DataDamaged, match="seal"):
            BackupFolder.open(sealed.path, secret).backup()


def test_only_folders_of_backups_are_taken_for_such(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_bytes(b"x")

    for path in ("mine", "missing"):
        with pytest.raises(FormatUnsupported):
            BackupFolder.open(tmp_path / path)
    with pytest.raises(FormatUnsupported):
        BackupFolder.open_or_make(tmp_path / "mine")
    with pytest.raises(NotFound):
        BackupFolder.open_or_make(tmp_path / "new").backup()
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["file"]


def test_two_do_not_write_to_one_folder_of_backups(root: Path, backups: BackupFolder) -> None:
    lock = FolderLock(backups.path / "quire-backup.lock")
    with pytest.raises(FolderInUse):
        take(root / "data", backups)
    lock.release()
    take(root / "data", backups)


def test_a_damaged_library_is_named_and_the_others_are_backed_up(root: Path, backups: BackupFolder) -> None:
    with closing(DataFolder.open(root / "data")) as folder:
        path = folder.library_folder(folder.catalogue.entries()["large"]) / "library.sqlite"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    manifest = take(root / "data", backups).backup.manifest

    assert [one.id for one in manifest.libraries] == ["small"]
    assert [one.id for one in manifest.omitted] == ["large"]
    restore(backups, root / "again")
    assert digests(root / "again") == {"small": digests(root / "again")["small"]}


def test_keys_can_be_left_out(root: Path, backups: BackupFolder) -> None:
    with closing(KeyTable.open(root / "data")) as table:
        table.add(ApiKey("one", "ci", START, Role.READ), b"digest")
    backup = take(root / "data", backups).backup
    restore_backup(backups, backup, root / "with", lambda _: None)
    restore_backup(backups, backup, root / "without", lambda _: None, with_keys=False)

    for name, expected in (("with", ["one"]), ("without", [])):
        with closing(KeyTable.open(root / name)) as table:
            assert list(map(attrgetter("id"), table.keys())) == expected
