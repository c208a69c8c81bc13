"""The documents say what is: routes, commands, methods, variables, numbers, links and code."""

from __future__ import annotations

import ast
import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from quiredb_client import Client

from bench.run import _STEPS
from quiredb.cli.main import COMMANDS
from quiredb.domain import limits
from quiredb.domain.filter_fields import ATTRIBUTES, Scope, fixed_fields
from quiredb.domain.filters import Operator
from quiredb.domain.library import IndexKind
from quiredb.engine import index_choice, merging
from quiredb.indexes import build_flat, build_graph, planner

REPOSITORY = Path(__file__).resolve().parent.parent
PAGES = sorted(
    page
    for pattern in ("*.md", "docs/*.md", "docs/adr/*.md", "client/*.md", "samples/*.md", "bench/*.md", "src/**/*.md")
    for page in REPOSITORY.glob(pattern)
)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
SPANS = re.compile(r"`[^`\n]*`")


def name_of(page: Path) -> str:
    return str(page.relative_to(REPOSITORY))


def read(page: str | Path) -> str:
    return (REPOSITORY / page).read_text(encoding="utf-8")


def blocks(page: str | Path, language: str) -> Iterator[str]:
    return (body for tag, body in FENCE.findall(read(page)) if tag == language)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#{1,6} (.+)$", FENCE.sub("", read(page)), re.MULTILINE)
    texts = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower() for heading in headings]
    return {re.sub(r"[^\w\- ]", "", text).replace(" ", "-") for text in texts}


def links(page: Path) -> list[str]:
    """Targets of a page's links that are not addresses."""
    targets = re.findall(r"\]\(([^)\s]+)\)", SPANS.sub("", FENCE.sub("", read(page))))
    return [target for target in targets if not re.match(r"[a-z]+:", target)]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in links(page):
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), target
        assert found.is_relative_to(REPOSITORY), target
        if anchor:
            assert anchor in anchors(found), f"{target}: {sorted(anchors(found))}"


def test_the_index_of_the_documents_lists_all_of_them() -> None:
    index = REPOSITORY / "docs" / "README.md"
    listed = {(index.parent / link).resolve() for link in links(index)}

    assert set((REPOSITORY / "docs").rglob("*.md")) - {index} <= listed


def test_the_documents_that_sources_name_exist() -> None:
    named = {
        name
        for folder in ("src", "client/src", "examples", "bench", "reliability", "scripts")
        for source in (REPOSITORY / folder).rglob("*.py")
        for name in re.findall(r"\bdocs/[\w./-]+\.(?:md|json)", source.read_text(encoding="utf-8"))
    }

    assert named
    assert [name for name in named if not (REPOSITORY / name).is_file()] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_code_compiles(page: Path) -> None:
    for body in blocks(page, "python"):
        compile(body, name_of(page), "exec")
    for body in blocks(page, "json"):
        json.loads(body)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_the_commands_that_print_figures_exist(page: Path) -> None:
    text = read(page)
    targets = set(re.findall(r"^([a-z-]+):", read("Makefile"), re.MULTILINE))

    for steps in re.findall(r"bench\.run\s+--only\s+([a-z,]+)", text):
        named = set(steps.split(","))
        assert named <= set(_STEPS), steps
        assert "import" in named or not named & {"search", "filter", "delete"}, f"{steps} has nothing to work on"
    assert set(re.findall(r"(?:`|^)make\s+([a-z-]+)", text, re.MULTILINE)) <= targets
    for module in re.findall(r"python -m\s+((?:bench|reliability)[\w.]*)", text):
        path = REPOSITORY / module.replace(".", "/")
        assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), module
    for path in re.findall(r"(?:pytest |`)(tests/[\w./]+[\w/])", text):
        assert (REPOSITORY / path).exists(), path


def test_the_guide_lists_exactly_the_operations_of_the_api() -> None:
    described = {
        (method.upper(), path)
        for path, operations in json.loads(read("docs/openapi.json"))["paths"].items()
        for method in operations
    }
    rows = re.findall(r"^\| ([A-Z ]+) \| `(/[^`]*)` \|", read("docs/api.md"), re.MULTILINE)

    assert {(method, path) for methods, path in rows for method in methods.split()} == described


def test_every_command_is_documented() -> None:
    page = read("docs/cli.md")
    commands = {name: lazy.load() for name, lazy in COMMANDS.items()}
    subcommands = {
        f"{name} {inner}"
        for name, command in commands.items()
        if isinstance(command, click.Group)
        for inner in command.commands
    }

    assert subcommands
    for name in commands.keys() | subcommands:
        assert re.search(rf"`quire {name}\b", page), name


def test_every_variable_is_documented() -> None:
    page = read("docs/cli.md")
    variables = {
        name
        for folder in ("src", "client/src")
        for source in (REPOSITORY / folder).rglob("*.py")
        for name in re.findall(r"\bQUIRE_[A-Z_]*[A-Z]", source.read_text(encoding="utf-8"))
    }

    assert "QUIRE_PORT" in variables
    assert sorted(name for name in variables if not re.search(rf"`{name}\b", page)) == []


class Calls(ast.NodeVisitor):
    """The SDK's methods that code calls, resolved on real objects; names are those that docs/sdk.md uses."""

    def __init__(self, client: Client) -> None:
        papers = client.library("papers")
        self.roots = {"client": client, "papers": papers, "chunks": papers.document("d1").chunks}
        self.called: set[tuple[str, str]] = set()
        self.unknown: set[str] = set()

    def visit_Call(self, node: ast.Call) -> None:
        self.generic_visit(node)
        if isinstance(node.func, ast.Attribute) and (owner := self._object(node.func.value)) is not None:
            self.called.add((type(owner).__name__, node.func.attr))
            if not hasattr(owner, node.func.attr):
                self.unknown.add(ast.unparse(node.func))

    def _object(self, node: ast.expr) -> Any:
        match node:
            case ast.Name(id=name):
                return self.roots.get(name)
            case ast.Attribute(value=value, attr=attr):
                return getattr(self._object(value), attr, None)
            case ast.Call(func=ast.Attribute(attr="library" | "document") as function):
                make = self._object(function)
                return None if make is None else make("one")
        return None


def test_every_method_of_the_sdk_is_shown_and_no_other() -> None:
    with Client("http://127.0.0.1:1") as client:
        calls = {page: Calls(client) for page in ("docs/sdk.md", "docs/indexes.md", "README.md", "client/README.md")}
        for page, found in calls.items():
            for body in blocks(page, "python"):
                found.visit(ast.parse(body))
        library = client.library("papers")
        shown = [client, client.libraries, client.jobs, library, library.documents, library.chunks, library.index]
    guide = read("docs/sdk.md")
    missing = [
        f"{type(one).__name__}.{name}"
        for one in shown
        for name, _ in inspect.getmembers(one, inspect.ismethod)
        if not name.startswith("_")
        and (type(one).__name__, name) not in calls["docs/sdk.md"].called
        and not re.search(rf"`(\w+\.)?{name}[`(]", guide)
    ]

    assert {page: found.unknown for page, found in calls.items() if found.unknown} == {}
    assert missing == []


def table(page: str, heading: str) -> list[list[str]]:
    """The cells of the first table under a heading, without its head."""
    text = read(page).split(f"\n## {heading}\n", 1)[1]
    rows = re.search(r"(?:^\|.*\n)+", text, re.MULTILINE)
    assert rows
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in rows[0].splitlines()[2:]]


def test_the_space_of_an_index_is_what_the_page_says() -> None:
    rows = [[int(cell.replace(",", "")) for cell in row] for row in table("docs/indexes.md", "Space")]

    assert rows
    for dimension, vector, flat_bytes, graph_bytes in rows:
        vectors = np.random.default_rng(dimension).standard_normal((50, dimension)).astype(np.float32)
        flat = build_flat(vectors, "cosine")
        graph = build_graph(flat)
        each = {name: array.nbytes // 50 for name, array in {**flat.arrays(), **graph.arrays()}.items()}
        del each["centre"], each["entries"]
        assert vectors.nbytes == 50 * vector
        assert sum(each.values()) == graph_bytes
        assert sum(each.values()) - each["neighbours"] - each["records"] == flat_bytes


@pytest.mark.parametrize(
    ("section", "sentence"),
    [
        ("What auto does", f"one that reaches {index_choice.GRAPH_ROWS_AUTO:,} rows"),
        ("What auto does", f"segments of {index_choice.FORCED_ROWS:,} rows or more"),
        ("In one minute", f"below {index_choice.GRAPH_ROWS_AUTO:,} vectors in a segment"),
        ("Recall is the knob", f"`recall` {planner.DEFAULT_RECALL} (the default)"),
        ("Recall is the knob", f"a margin: {100 * planner.MARGIN:.0f} % of the allowed misses"),
        ("Recall is the knob", f"in reserve, so {planner.promised(planner.DEFAULT_RECALL):.3f} (with a filter"),
        ("Recall is the knob", f"(with a filter {100 * planner.MASKED_MARGIN:.0f} %; where less than"),
        ("Recall is the knob", f"where less than {100 * planner.FEW:.1f} % may be missed"),
        ("Recall is the knob", f"{100 * planner.FEW_MARGIN:.0f} and {100 * planner.FEW_MASKED_MARGIN:.0f} %)"),
        ("Segments and merging", f"At {merging.SEAL_ROWS:,} rows the buffer is *sealed*"),
        ("Segments and merging", f"grows past {merging.SEGMENT_ROWS_MAX:,} rows"),
        (
            "Segments and merging",
            f"{100 * merging._DEAD_SHARE:.0f} % died (and at least {merging._DEAD_ROWS_MIN} rows)",
        ),
    ],
)
def test_the_thresholds_are_those_of_the_code(section: str, sentence: str) -> None:
    text = read("docs/indexes.md").split(f"\n## {section}\n")[1].split("\n## ")[0]

    assert " ".join(sentence.split()) in " ".join(text.split())


def test_the_parameters_of_graph_are_those_of_the_code() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \| (\d+) - (\d+) \|", read("docs/indexes.md"), re.MULTILINE)

    defaults = index_choice._GRAPH_DEFAULTS
    allowed = {name: (*bounds, defaults[name]) for name, bounds in index_choice._BOUNDS[IndexKind.GRAPH].items()}
    assert {name: (int(low), int(high), int(default)) for name, default, low, high in rows} == allowed


def test_every_field_and_operator_of_filters_is_documented() -> None:
    page = read("docs/filters.md")
    fields = {
        name for row in table("docs/filters.md", "Fields") for cell in row for name in re.findall(r"`(\S+)`", cell)
    }
    known = {str(field) for scope in Scope for field in fixed_fields(scope)}
    operators = {name for row in table("docs/filters.md", "Operators") for name in re.findall(r"`(\w+)`", row[0])}

    assert fields == known | {f"{prefix}{ATTRIBUTES}NAME" for prefix in ("", "doc.")}
    assert operators == set(Operator)
    assert f"nests at most {limits.FILTER_DEPTH_MAX} deep" in page
    assert f"at most {limits.FILTER_CONDITIONS_MAX} conditions" in page
    assert f"list of values at most {limits.FILTER_VALUES_MAX:,}" in page
