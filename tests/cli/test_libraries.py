"""`quire libraries` and `quire stats`."""

from __future__ import annotations

import io

import pytest

from tests.cli.conftest import Quire
from tests.cli.dict_server import DictServer


def test_no_libraries_say_how_to_make_one(quire: Quire, server: DictServer) -> None:
    run = quire("libraries")

    assert run.code == 0
    assert "quire libraries create" in run.out


def test_a_library_is_created_listed_and_deleted(quire: Quire, server: DictServer) -> None:
    created = quire("libraries", "create", "docs", "--dimension", 384, "--metric", "l2", "--title", "All the docs")
    listed = quire("libraries")
    deleted = quire("libraries", "delete", "docs", "--yes")

    assert created.out == "Created the library docs: dimension 384, metric l2.\n"
    assert [word in listed.out for word in ("docs", "All the docs", "384", "l2")] == [True] * 4
    assert deleted.out == "Deleted the library docs with 0 chunks.\n"
    assert server.libraries == {}


def test_a_library_may_follow_the_dimension_of_its_embedder(quire: Quire, server: DictServer) -> None:
    run = quire("libraries", "create", "docs", "--embedder", "cohere/embed-v4.0", "--json")

    assert run.json["embedder"] == {"provider": "cohere", "model": "embed-v4.0"}
    assert run.json["created_at"] == "2026-01-02T03:04:05Z"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["create", "docs"], "--dimension"),
        (["create", "docs", "--dimension", "0"], "x>=1"),
        (["create", "docs", "--embedder", "cohere"], "PROVIDER/MODEL"),
        (["create", "docs", "--dimension", "3", "--metric", "hamming"], "hamming"),
        (["create"], "ID"),
        (["crate"], "crate"),
    ],
)
def test_usage_errors_end_with_2_and_a_hint(
    quire: Quire, server: DictServer, arguments: list[str], complaint: str
) -> None:
    run = quire("libraries", *arguments)

    assert run.code == 2
    assert run.err.startswith("error: ")
    assert complaint in run.err
    assert "--help" in run.err
    assert server.requests == []


def test_deleting_asks_or_needs_yes(quire: Quire, server: DictServer, monkeypatch: pytest.MonkeyPatch) -> None:
    quire("libraries", "create", "docs", "--dimension", 3)

    nobody_to_ask = quire("libraries", "delete", "docs")
    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    refused = quire("libraries", "delete", "docs")
    still_there = "docs" in server.libraries
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    agreed = quire("libraries", "delete", "docs")

    assert nobody_to_ask.code == 2
    assert refused.code == 130
    assert still_there
    assert agreed.code == 0
    assert server.libraries == {}


def test_json_lists_libraries_for_machines(quire: Quire, server: DictServer) -> None:
    quire("libraries", "create", "a", "--dimension", 3)
    quire("libraries", "create", "b", "--dimension", 3)

    assert [library["id"] for library in quire("libraries", "--json").json] == ["a", "b"]


def test_options_may_stand_at_any_level(quire: Quire, server: DictServer) -> None:
    quire("libraries", "--url", "http://one.example", "create", "a", "--dimension", 3)
    quire("libraries", "create", "b", "--dimension", 3, "--url", "http://two.example", "--api-key", "k")

    assert [request.url.host for request in server.requests] == ["one.example", "two.example"]
    assert server.requests[1].headers["authorization"] == "Bearer k"


def test_a_wide_table_keeps_its_ids_in_80_columns(quire: Quire, server: DictServer) -> None:
    long = "library-" + "x" * 60
    quire("libraries", "create", long, "--dimension", 384, "--title", "A title that is much too long for its column")

    lines = [line.rstrip() for line in quire("libraries").out.splitlines()]

    assert max(map(len, lines)) <= 80
    assert long in "".join(line.split("  ")[0] for line in lines)
    assert "A title that is much too long" in " ".join(lines)


def test_stats_show_numbers_with_units(quire: Quire, server: DictServer) -> None:
    quire("libraries", "create", "docs", "--dimension", 3)

    run = quire("stats", "docs")

    assert run.code == 0
    assert "3.0 MiB" in run.out
    assert "rows 12,345" in run.out
    assert quire("stats", "docs", "--json").json["segments"] == [{"name": "s1", "rows": 12345, "bytes": 1536}]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True
