"""The table of keys: digests only, beside a server, without its lock."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import apsw
import orjson
import pytest

from quiredb.domain.errors import DataDamaged, FormatUnsupported, NotFound
from quiredb.domain.keys import ApiKey, digest_of, new_key, new_key_id
from quiredb.domain.rights import Role
from quiredb.storage import keys
from quiredb.storage.database import open_beside
from quiredb.storage.folder import DataFolder
from quiredb.storage.keys import KeyTable, has_catalogue

FIRST = ApiKey("1", "first", datetime(2026, 5, 1, 12, 30, 15, 250, UTC))
SECOND = ApiKey(
    "2",
    "second",
    datetime(2026, 5, 2, tzinfo=UTC),
    Role.WRITE,
    ("notes", "papers"),
    datetime(2027, 5, 2, tzinfo=UTC),
    datetime(2026, 6, 2, tzinfo=UTC),
)

SHARED_BYTES = (510, 0x40000002)

SERVER = """
import sys
from pathlib import Path
from quiredb.storage import keys
from quiredb.storage.database import open_beside
from quiredb.storage.folder import DataFolder
from quiredb.storage.keys import KeyTable
path = Path(sys.argv[1])
if sys.argv[2] == "keys first":
    table = KeyTable.open(path)
    folder = DataFolder.open(path)
else:
    folder = DataFolder.open(path)
    table = KeyTable.open(path)
before = table.changes()
print("open", flush=True)
sys.stdin.readline()
print(table.changes() != before, sorted(key.name for key in table.keys()), flush=True)
folder.catalogue.add("library", "0123456789abcdef", None)
print("added", flush=True)
sys.stdin.readline()
"""


def is_locked(database: Path) -> bool:
    """Whether another process has SQLite's shared lock on the file (https://sqlite.org/lockingv3.html)."""
    with database.open("r+b") as stream:
        try:
            fcntl.lockf(stream, fcntl.LOCK_EX | fcntl.LOCK_NB, *SHARED_BYTES)
        except OSError:
            return True
    return False


def bytes_on_disk(folder: Path) -> bytes:
    return b"".join(entry.read_bytes() for entry in folder.rglob("*") if entry.is_file())


def test_keys_are_kept_until_they_are_removed(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "data"
    with closing(KeyTable.open(folder)) as table:
        assert (table.keys(), table.by_digest()) == ([], {})
        table.add(SECOND, b"2" * 32)
        table.add(FIRST, b"1" * 32)
    with closing(KeyTable.open(folder)) as table:
        assert table.keys() == [FIRST, SECOND]
        assert table.by_digest() == {b"1" * 32: FIRST, b"2" * 32: SECOND}
        assert table.remove("1") == FIRST
        with pytest.raises(NotFound):
            table.remove("1")
        assert table.by_digest().keys() == {b"2" * 32}


def test_the_key_itself_is_nowhere_on_disk(tmp_path: Path) -> None:
    key = new_key(new_key_id())
    with closing(KeyTable.open(tmp_path / "data")) as table:
        table.add(FIRST, digest_of(key.encode()))
        while_open = bytes_on_disk(tmp_path)
    for content in (while_open, bytes_on_disk(tmp_path)):
        assert digest_of(key.encode()) in content
        assert key.rpartition("_")[2].encode() not in content


def test_a_folder_from_before_keys_gets_them(tmp_path: Path) -> None:
    with closing(DataFolder.open(tmp_path)) as folder:
        folder.catalogue.add("library", "0123456789abcdef", None)
    with closing(KeyTable.open(tmp_path)) as table:
        table.add(FIRST, b"1" * 32)
    with closing(DataFolder.open(tmp_path)) as folder:
        assert list(folder.catalogue.entries()) == ["library"]


def folder_of_format_1(path: Path, keys: list[tuple[str, bytes]]) -> None:
    """A data folder as the program before roles left it."""
    DataFolder.open(path).close()
    (path / "quire.json").write_bytes(b'{"format":1}')
    connection = open_beside(path / "catalogue.sqlite")
    connection.execute(
        "CREATE TABLE keys (id TEXT PRIMARY KEY, name TEXT NOT NULL, digest BLOB NOT NULL UNIQUE, "
        "created_at INTEGER NOT NULL) STRICT, WITHOUT ROWID"
    )
    connection.executemany("INSERT INTO keys VALUES (?, 'old', ?, 1777638615000250)", keys)
    connection.close()


def test_keys_of_format_1_become_server_admins_and_older_programs_stay_out(tmp_path: Path) -> None:
    folder_of_format_1(tmp_path, [("old-1", b"1" * 32), ("old-2", b"2" * 32)])
    with closing(DataFolder.open(tmp_path)):
        assert (tmp_path / "quire.json").read_bytes() == b'{"format":1}'
    for _ in range(2):
        with closing(KeyTable.open(tmp_path)) as table:
            found = table.by_digest()
    assert {digest: (key.id, key.role, key.libraries, key.expires_at) for digest, key in found.items()} == {
        b"1" * 32: ("old-1", Role.SERVER_ADMIN, None, None),
        b"2" * 32: ("old-2", Role.SERVER_ADMIN, None, None),
    }
    assert orjson.loads((tmp_path / "quire.json").read_bytes())["format"] == 2


def test_an_upgrade_that_was_killed_is_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder_of_format_1(tmp_path, [("old-1", b"1" * 32)])
    with monkeypatch.context() as broken:
        broken.setattr(keys, "KEYS", keys.KEYS + "; SELECT no_such_function();")
        with pytest.raises(apsw.SQLError):
            KeyTable.open(tmp_path)
    assert orjson.loads((tmp_path / "quire.json").read_bytes())["format"] == 2
    with closing(KeyTable.open(tmp_path)) as table:
        assert [key.id for key in table.by_digest().values()] == ["old-1"]


def test_uses_are_kept(tmp_path: Path) -> None:
    used = datetime(2026, 7, 1, 8, tzinfo=UTC)
    with closing(KeyTable.open(tmp_path)) as table:
        table.add(FIRST, b"1" * 32)
        table.record_uses({"1": used, "gone": used})
    with closing(KeyTable.open(tmp_path)) as table:
        assert table.keys() == [replace(FIRST, last_used_at=used)]


@pytest.mark.parametrize("order", ["keys first", "folder first"])
def test_another_process_adds_a_key_and_the_server_loses_nothing(tmp_path: Path, order: str) -> None:
    path = tmp_path / "data"
    command = [sys.executable, "-c", SERVER, str(path), order]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        assert server.stdout.readline() == "open\n"
        with closing(KeyTable.open(path)) as table:
            table.add(FIRST, b"1" * 32)
        assert is_locked(path / "catalogue.sqlite"), "the server lost its lock on the database"
        server.stdin.write("\n")
        server.stdin.flush()
        assert server.stdout.readline() == "True ['first']\n"
        assert server.stdout.readline() == "added\n"
        with closing(KeyTable.open(path)) as table:
            assert table.remove("1") == FIRST
        server.kill()
    with closing(DataFolder.open(path)) as folder:
        assert list(folder.catalogue.entries()) == ["library"]
    with closing(KeyTable.open(path)) as table:
        assert table.keys() == []


def test_looking_makes_no_folder_and_foreign_ones_are_refused(tmp_path: Path) -> None:
    assert not has_catalogue(tmp_path / "absent")
    assert not (tmp_path / "absent").exists()
    (tmp_path / "letter.txt").write_text("mine")
    for ask in (has_catalogue, KeyTable.open):
        with pytest.raises(FormatUnsupported):
            ask(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["letter.txt"]


def test_a_damaged_catalogue_is_damage_and_not_an_empty_table(tmp_path: Path) -> None:
    with closing(KeyTable.open(tmp_path)) as table:
        table.add(FIRST, b"1" * 32)
    catalogue = tmp_path / "catalogue.sqlite"
    catalogue.write_bytes(catalogue.read_bytes().replace(b"1" * 32, b"2" * 32))
    with pytest.raises(DataDamaged), closing(KeyTable.open(tmp_path)) as table:
        table.by_digest()
