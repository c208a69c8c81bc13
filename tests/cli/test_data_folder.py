"""The commands on a data folder opened in process (--data), and `quire check` on it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from quiredb.cli.exit_codes import ExitCode
from tests.cli.conftest import Quire


@pytest.fixture
def folder(quire: Quire, repository: Path, tmp_path: Path) -> Path:
    """A data folder with the first documents of the sample library."""
    folder = tmp_path / "data"
    folder.mkdir()
    run = quire(
        "import",
        repository / "samples" / "docs.ndjson.gz",
        "--library",
        "docs",
        "--create",
        "--dimension",
        384,
        "--data",
        folder,
    )
    assert run.code == 0, run.err
    return folder


def test_a_library_goes_in_is_searched_and_comes_out(
    quire: Quire, repository: Path, folder: Path, tmp_path: Path
) -> None:
    query = json.loads((repository / "samples" / "queries.json").read_text(encoding="utf-8"))["queries"][0]
    first, second = tmp_path / "first.ndjson", tmp_path / "second.ndjson.gz"

    found = quire(
        "search", "docs", "--vector", json.dumps(query["vector"]), "--exact", "--explain", "--json", "--data", folder
    )
    counted = quire("stats", "docs", "--json", "--data", folder)
    assert quire("export", "docs", "-o", first, "--data", folder).code == 0
    copied = quire("import", first, "--library", "copy", "--create", "--dimension", 384, "--data", folder)
    assert quire("export", "copy", "-o", second, "--data", folder).code == 0
    found_in_copy = quire(
        "search", "copy", "--vector", json.dumps(query["vector"]), "--exact", "--json", "--data", folder
    )

    assert [hit["id"] for hit in found.json["hits"]] == query["top10"]
    assert counted.json["chunk_count"] == 3000
    assert copied.code == 0, copied.err
    assert [hit["id"] for hit in found_in_copy.json["hits"]] == query["top10"]
    assert second.stat().st_size > 0
    assert quire("check", folder).out.endswith("no damage found.\n")


def test_a_text_needs_an_embedder(quire: Quire, folder: Path) -> None:
    run = quire("search", "docs", "--text", "what is it", "--data", folder)

    assert run.code == ExitCode.FAILURE
    assert "embedder" in run.err


def test_an_embedder_without_a_key_writes_nothing(
    quire: Quire, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CO_API_KEY", "COHERE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    file = tmp_path / "texts.ndjson"
    file.write_text('{"id": "d", "chunks": [{"id": "c", "text": "a text"}]}\n', encoding="utf-8")

    run = quire("import", file, "--library", "texts", "--create", "--embedder", "cohere/embed-v4.0", "--data", folder)

    assert run.code == ExitCode.FAILURE
    assert "CO_API_KEY" in run.err
    assert quire("stats", "texts", "--json", "--data", folder).json["document_count"] == 0


def test_damage_is_found_and_named(quire: Quire, folder: Path) -> None:
    database = max(folder.rglob("*.sqlite*"), key=lambda path: path.stat().st_size)
    content = bytearray(database.read_bytes())
    content[len(content) // 2] ^= 0xFF
    database.write_bytes(content)

    table = quire("check", folder)
    listed = quire("check", folder, "--json")

    assert (table.code, listed.code) == (ExitCode.DAMAGED_DATA, ExitCode.DAMAGED_DATA)
    assert max(map(len, table.out.splitlines())) <= 80
    assert {finding["severity"] for finding in listed.json["findings"]} == {"error"}


@pytest.mark.parametrize("what", ["nothing", "an empty folder"])
def test_what_is_no_data_folder_is_not_checked(quire: Quire, tmp_path: Path, what: str) -> None:
    run = quire("check", tmp_path / "absent" if what == "nothing" else tmp_path)

    assert run.code in {ExitCode.USAGE, ExitCode.CONFIGURATION}
    assert run.err.startswith("error: ")
