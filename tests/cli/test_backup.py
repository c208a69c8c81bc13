"""`quire backup`, `verify`, `restore` and `drill` on a data folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from quiredb.cli.exit_codes import ExitCode
from tests.cli.conftest import Quire

CHUNKS = 20


@pytest.fixture
def data(quire: Quire, tmp_path: Path) -> Path:
    """A data folder with a small library."""
    lines = tmp_path / "lines.ndjson"
    chunks = [{"id": f"c{n}", "text": f"text {n}", "embedding": [1.0, n, n * n]} for n in range(CHUNKS)]
    lines.write_text(json.dumps({"id": "d", "chunks": chunks}) + "\n")
    folder = tmp_path / "data"
    folder.mkdir()
    run = quire("import", lines, "--library", "notes", "--create", "--dimension", 3, "--data", folder)
    assert run.code == 0, run.err
    return folder


@pytest.fixture
def backups(quire: Quire, data: Path, tmp_path: Path) -> Path:
    """A folder with one backup."""
    run = quire("backup", "--data", data, "--to", tmp_path / "backups")
    assert run.code == 0, run.err
    return tmp_path / "backups"


def test_the_whole_way(quire: Quire, data: Path, backups: Path, tmp_path: Path) -> None:
    again = quire("backup", "--data", data, "--to", backups, "--json")
    listed = quire("backup", "list", backups, "--json").json
    verified = quire("verify", backups, "--json").json
    restored = quire("restore", backups, "--to", tmp_path / "new", "--json").json
    counted = quire("stats", "notes", "--json", "--data", tmp_path / "new").json
    checked = quire("check", tmp_path / "new")
    removed = quire("backup", "remove", backups, listed[0]["id"], "--json").json

    assert (again.code, again.json["new_bytes"]) == (0, 0)
    assert [one["id"] for one in listed] == sorted(one["id"] for one in listed)
    assert listed[1]["id"] == again.json["id"] == verified["id"] == restored["backup"]
    assert verified["damaged"] == []
    assert verified["libraries"][0]["chunks"] == counted["chunk_count"] == CHUNKS
    assert checked.out.endswith("no damage found.\n")
    assert removed == {"removed": listed[0]["id"], "freed_bytes": 0}


def test_a_drill_proves_and_cleans_up(quire: Quire, backups: Path, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    drilled = quire("drill", backups, "--scratch", scratch, "--json")
    shown = quire("drill", backups, "--scratch", scratch)

    assert drilled.code == 0, drilled.err
    (library,) = drilled.json["libraries"]
    assert (library["id"], library["chunks"], library["searches"], library["complaints"]) == ("notes", CHUNKS, 10, [])
    assert drilled.json["age_seconds"] < 600
    assert "as it was" in shown.out
    assert list(scratch.iterdir()) == []


def test_a_library_that_cannot_be_read_is_named(quire: Quire, data: Path, tmp_path: Path) -> None:
    (readable,) = (data / "libraries").iterdir()
    assert quire("libraries", "create", "broken", "--dimension", 3, "--data", data).code == 0
    (broken,) = set((data / "libraries").iterdir()) - {readable}
    (broken / "library.sqlite").write_bytes(b"?" * 65_536)

    taken = quire("backup", "--data", data, "--to", tmp_path / "backups", "--json")
    drilled = quire("drill", tmp_path / "backups", "--json")

    assert taken.code == drilled.code == ExitCode.DAMAGED_DATA
    assert (
        [one["id"] for one in taken.json["libraries"]] == [one["id"] for one in drilled.json["libraries"]] == ["notes"]
    )
    assert [one["id"] for one in taken.json["omitted"]] == [one["id"] for one in drilled.json["omitted"]] == ["broken"]


def test_tables_fit_the_terminal(quire: Quire, data: Path, backups: Path) -> None:
    for arguments in (("backup", "--data", data, "--to", backups), ("backup", "list", backups), ("verify", backups)):
        run = quire(*arguments)
        table = run.out.split("Backup ")[0]
        assert run.code == 0
        assert all(len(line) <= 80 for line in table.splitlines())


def test_damage_is_named_and_refused(quire: Quire, backups: Path, tmp_path: Path) -> None:
    block = next(path for path in (backups / "blocks").rglob("*") if path.is_file())
    block.write_bytes(block.read_bytes()[:-1] + b"?")
    verified = quire("verify", backups)
    restored = quire("restore", backups, "--to", tmp_path / "new")
    drilled = quire("drill", backups)

    assert {verified.code, restored.code, drilled.code} == {ExitCode.DAMAGED_DATA}
    assert block.name in verified.err
    assert "quire verify" in restored.err
    assert not (tmp_path / "new").exists()


def test_a_key_file_seals(quire: Quire, data: Path, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"s" * 32)
    (tmp_path / "short").write_bytes(b"s")
    to = tmp_path / "sealed"

    assert quire("backup", "--data", data, "--to", to, "--key-file", tmp_path / "key").code == 0
    assert quire("verify", to, "--key-file", tmp_path / "key").code == 0
    assert quire("verify", to).code == ExitCode.DAMAGED_DATA
    assert quire("verify", to, "--key-file", tmp_path / "short").code == ExitCode.USAGE


def test_what_cannot_be(quire: Quire, data: Path, backups: Path, tmp_path: Path) -> None:
    assert quire("backup", "--data", data).code == ExitCode.USAGE
    assert quire("backup", "--data", tmp_path / "none", "--to", tmp_path / "b").code == ExitCode.USAGE
    assert quire("backup", "--data", data, "--to", data).code == ExitCode.CONFIGURATION
    assert quire("verify", data).code == ExitCode.CONFIGURATION
    assert quire("restore", backups, "--to", data).code == ExitCode.CONFIGURATION
    assert quire("restore", backups, "--backup", "none", "--to", tmp_path / "n").code == ExitCode.NOT_FOUND
    assert quire("restore", backups, "--library", "none", "--to", tmp_path / "n").code == ExitCode.NOT_FOUND
    assert not (tmp_path / "none").exists()
