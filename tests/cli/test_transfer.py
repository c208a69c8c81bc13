"""`quire import` and `quire export`."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cli.conftest import Quire
from tests.cli.dict_server import DictServer


def document(number: int, **metadata: Any) -> dict[str, Any]:
    chunk = {"id": f"c{number}", "text": f"text {number}", "embedding": [1.0, 0.0, float(number)]}
    return {"id": f"d{number}", "metadata": metadata, "chunks": [chunk]}


def ndjson(*documents: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in documents)


class StandardInput:
    def __init__(self, content: bytes) -> None:
        self.buffer = io.BufferedReader(io.BytesIO(content))


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("source", ["file", "standard input"])
def test_what_is_imported_can_be_exported(
    quire: Quire,
    server: DictServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    pack: Any,
    source: str,
) -> None:
    content = pack(ndjson(*(document(number) for number in range(50))))
    file = tmp_path / "docs.ndjson"  # compressed or not: the content tells, not the name
    file.write_bytes(content)
    monkeypatch.setattr("sys.stdin", StandardInput(content))

    imported = quire("import", file if source == "file" else "-", "--library", "docs", "--create", "--dimension", 3)
    exported = quire("export", "docs")

    assert imported.code == 0
    assert imported.out.startswith("Imported 50 documents and 50 chunks into docs in ")
    assert imported.err == ""
    lines = [json.loads(line) for line in exported.out.splitlines()]
    assert sorted(line["id"] for line in lines) == sorted(f"d{number}" for number in range(50))


def test_lines_that_are_wrong_are_named_and_the_rest_is_written(
    quire: Quire, server: DictServer, tmp_path: Path
) -> None:
    file = tmp_path / "docs.ndjson"
    file.write_bytes(ndjson(document(1), document(2, bad=1), document(3)))

    run = quire("import", file, "--library", "docs", "--create", "--dimension", 3)

    assert run.code == 1
    assert "line 2: /metadata/bad: Unknown field." in run.err
    assert [line["id"] for line in server.lines["docs"]] == ["d1", "d3"]

    run = quire("import", file, "--library", "docs", "--json")
    assert run.code == 1
    assert run.json["documents"] == 2
    assert run.json["failed"] == [
        {"line": 2, "pointer": "/metadata/bad", "code": "unknown-field", "detail": "Unknown field."}
    ]


def test_abort_stops_at_the_first_error(quire: Quire, server: DictServer, tmp_path: Path) -> None:
    file = tmp_path / "docs.ndjson"
    file.write_bytes(ndjson(document(1, bad=1)))

    run = quire("import", file, "--library", "docs", "--create", "--dimension", 3, "--on-error", "abort")

    assert run.code == 1
    assert run.err.startswith("error: stopped after 0 written items")


def test_an_existing_library_is_kept_with_create(quire: Quire, server: DictServer, tmp_path: Path) -> None:
    file = tmp_path / "docs.ndjson"
    file.write_bytes(ndjson(document(1)))

    for _ in range(2):
        assert quire("import", file, "--library", "docs", "--create", "--dimension", 3).code == 0

    assert sum(request.method == "PUT" for request in server.requests) == 1


def test_an_import_into_nothing_says_so(quire: Quire, server: DictServer, tmp_path: Path) -> None:
    file = tmp_path / "docs.ndjson"
    file.write_bytes(ndjson(document(1)))

    assert quire("import", file, "--library", "absent").code == 3


@pytest.mark.parametrize("cut", [20, 40])
def test_a_damaged_gzip_file_is_an_error_and_no_traceback(
    quire: Quire, server: DictServer, tmp_path: Path, cut: int
) -> None:
    file = tmp_path / "docs.ndjson.gz"
    packed = gzip.compress(ndjson(*(document(number) for number in range(9))))
    file.write_bytes(packed[:-cut])

    run = quire("import", file, "--library", "docs", "--create", "--dimension", 3)

    assert run.code == 1
    assert "not a complete gzip file" in run.err
    assert "Traceback" not in run.err


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (["import", "FILE"], 2, "--library"),
        (["import", "FILE", "--library", "docs", "--create"], 2, "--dimension"),
        (["import", "/no/such/file", "--library", "docs"], 1, "cannot read /no/such/file"),
        (["export", "absent"], 3, "no such library"),
        (["export", "docs", "--json"], 2, "--output"),
    ],
)
def test_mistakes(
    quire: Quire, server: DictServer, tmp_path: Path, arguments: list[str], code: int, complaint: str
) -> None:
    file = tmp_path / "docs.ndjson"
    file.write_bytes(b"")

    run = quire(*[str(file) if argument == "FILE" else argument for argument in arguments])

    assert (run.code, run.out) == (code, "")
    assert complaint in run.err


@pytest.mark.parametrize("name", ["out.ndjson", "out.ndjson.gz"])
def test_an_export_to_a_file_is_complete_or_not_there(
    quire: Quire, server: DictServer, tmp_path: Path, name: str
) -> None:
    source, target = tmp_path / "docs.ndjson", tmp_path / name
    source.write_bytes(ndjson(document(1), document(2)))
    quire("import", source, "--library", "docs", "--create", "--dimension", 3)

    run = quire("export", "docs", "-o", target, "--json")

    assert run.json["documents"] == 2
    content = gzip.decompress(target.read_bytes()) if name.endswith(".gz") else target.read_bytes()
    assert [json.loads(line)["id"] for line in content.splitlines()] == ["d1", "d2"]
    assert run.json["bytes"] == target.stat().st_size
    target.unlink()
    server.answer = broken_after_a_line(server)
    assert quire("export", "docs", "-o", target).code == 4
    assert [path.name for path in tmp_path.iterdir()] == ["docs.ndjson"]


def broken_after_a_line(server: DictServer) -> Any:
    class Breaking(httpx.SyncByteStream):
        def __iter__(self) -> Any:
            yield b'{"id": "d1"}\n'
            raise httpx.ReadError("cut")

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/export"):
            return httpx.Response(200, stream=Breaking())
        return httpx.Response(200, json=server.libraries["docs"])

    return answer
