"""`quire search`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Quire
from tests.cli.dict_server import DictServer


@pytest.fixture
def library(quire: Quire, server: DictServer) -> str:
    quire("libraries", "create", "docs", "--dimension", 3)
    text = "A chunk whose text is long enough to be wrapped, [bold]and has what looks like markup[/] in it. " * 3
    chunks = [{"id": f"chunk-{number}", "text": text} for number in range(3)]
    server.lines["docs"] = [{"id": "d", "metadata": {"title": "The Title"}, "chunks": chunks}]
    return "docs"


def test_a_text_is_searched(quire: Quire, server: DictServer, library: str) -> None:
    run = quire("search", library, "--text", "what is it")

    assert run.code == 0
    assert server.searches == [{"text": "what is it", "k": 10, "include": ["text", "metadata", "document"]}]
    assert all(word in run.out for word in ("1.0000", "chunk-0", "The Title", "[bold]"))
    assert max(map(len, run.out.splitlines())) <= 80
    assert run.err == "3 hits in 1.2 ms\n"


def test_every_knob_reaches_the_server(quire: Quire, server: DictServer, library: str, tmp_path: Path) -> None:
    file = tmp_path / "vector.json"
    file.write_text("[1, 0.5, 0]", encoding="utf-8")

    quire("search", library, "--vector", "[0, 1, 0]", "-k", 5, "--filter", '{"page": {"gt": 3}}', "--recall", 0.9)
    quire("search", library, "--vector-file", file, "--exact", "--explain")
    quire("search", library, "--vector", '{"b64": "AAA=", "dtype": "f16"}')

    first, second, third = server.searches
    assert (first["k"], first["filter"], first["recall"]) == (5, {"page": {"gt": 3}}, 0.9)
    assert (second["exact"], second["explain"]) == (True, True)
    assert "exact" not in first
    assert third["vector"] == {"b64": "AAA=", "dtype": "f16"}


def test_json_is_the_whole_answer(quire: Quire, server: DictServer, library: str) -> None:
    answer = quire("search", library, "--text", "x", "--json").json

    assert answer["position"] == 3
    assert [hit["id"] for hit in answer["hits"]] == ["chunk-0", "chunk-1", "chunk-2"]
    assert answer["hits"][0]["document"]["metadata"] == {"title": "The Title"}


def test_no_hits(quire: Quire, server: DictServer, library: str) -> None:
    server.lines["docs"] = []

    assert quire("search", library, "--text", "x").out == "No chunk matches.\n"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--text", "x", "--vector", "[1]"],
        ["--vector", "[1,"],
        ["--vector", "[]"],
        ["--vector", '["1"]'],
        ["--vector", "[true]"],
        ["--vector", '{"x": 1}'],
        ["--vector-file", "/no/such/file"],
        ["--text", "x", "--filter", "[1]"],
        ["--text", "x", "--filter", "tags"],
        ["--text", "x", "--recall", "0"],
        ["--text", "x", "--recall", "1.5"],
        ["--text", "x", "--recall", "0.9", "--exact"],
        ["--text", "x", "-k", "0"],
    ],
)
def test_usage_errors(quire: Quire, server: DictServer, library: str, arguments: list[str]) -> None:
    run = quire("search", library, *arguments)

    assert run.code == 2
    assert run.err.startswith("error: ")
    assert server.searches == []
