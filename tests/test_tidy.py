"""The rules of the house, checked over every file; each rule is shown to bite."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

from tests.tidy_rules import RULES, Rule, Source, nothing_runs_data

FOLDERS = ("src", "client", "tests", "bench", "examples", "reliability", "scripts", "samples")

# What may break a rule, as "path: subject", with the reason. It may only shrink: an entry without a finding fails.
ALLOWED: dict[str, dict[str, str]] = {
    "nothing_runs_data": {
        "src/quiredb/indexes/kernel_cache.py: import pickle": "for the errors of Numba's cache",
    },
    "no_blanket_excepts": {
        "src/quiredb/api/middleware/internal_errors.py: __call__": "a bug in a request is logged and answered with 500",
        "src/quiredb/api/threads.py: _run": "what the work raises is raised again where it was asked for",
        "src/quiredb/repositories/open_library.py: _apply": "a commit that cannot be shown is loaded from the store",
        "src/quiredb/repositories/watchdog.py: _run": "what looks after the workers outlives a bug in looking",
        "src/quiredb/repositories/workers.py: _attempt": "a worker thread outlives a bug in one task and reports it",
    },
}

# Written in pieces, so that this file does not hold what it forbids.
FORBIDDEN_TEXT = {
    "a package registry's host": re.compile(
        "|".join(
            (
                r"\bpyp" + r"i\.org",
                r"python" + r"hosted\.org",
                r"npm" + r"js\.(org|com)",
                r"yarn" + r"pkg\.com",
                r"deb\.deb" + r"ian\.org",
                r"\bcrates" + r"\.io",
                r"anaconda" + r"\.org",
                r"conda-" + r"forge\.org",
                r"download\.py" + r"torch\.org",
                r"proxy\.go" + r"lang\.org",
            )
        )
    ),
    "a path of one machine": re.compile(
        r"(?<![\w.}-])/(wo" + r"rk/|tmp/br" + r"ief|opt/wh" + r"eels|opt/py" + r"pi|home/\w|Us" + r"ers/\w)"
    ),
    "a merge conflict": re.compile("^(<{7}|>{7}) ", re.MULTILINE),
}

BAD = {
    "short_files": Source(PurePosixPath("src/quiredb/long.py"), "x = 1\n" * 301),
    "short_functions": Source(PurePosixPath("src/quiredb/a.py"), "def f() -> None:\n" + "    x = 1\n" * 60),
    "no_drawers": Source(PurePosixPath("src/quiredb/utils.py"), "x = 1\n"),
    "imports_on_top": Source(PurePosixPath("src/quiredb/a.py"), "def f() -> None:\n    import os\n"),
    "no_leftovers": Source(PurePosixPath("src/quiredb/a.py"), "x = 1  # TO" + "DO later\n"),
    "no_prints": Source(PurePosixPath("src/quiredb/engine/a.py"), "print(1)\n"),
    "files_through_one_module": Source(
        PurePosixPath("src/quiredb/a.py"), "def f(path: Path) -> None:\n    path.unlink()\n"
    ),
    "nothing_runs_data": Source(PurePosixPath("src/quiredb/a.py"), "def f(path: str) -> None:\n    exec(path)\n"),
    "no_blanket_excepts": Source(PurePosixPath("src/quiredb/a.py"), "try:\n    f()\nexcept Exception:\n    pass\n"),
}

GOOD = Source(
    PurePosixPath("src/quiredb/engine/a.py"),
    "import os\n\n\ndef f() -> None:\n    try:\n        os.getpid()\n    except OSError:\n        raise\n",
)


def python_sources(repository: Path) -> Iterator[Source]:
    for folder in FOLDERS:
        for path in sorted((repository / folder).rglob("*.py")):
            yield Source(PurePosixPath(path.relative_to(repository).as_posix()), path.read_text(encoding="utf-8"))


def tracked_texts(repository: Path) -> Iterator[tuple[str, str]]:
    names = subprocess.run(["git", "ls-files", "-z"], cwd=repository, check=True, capture_output=True, text=True).stdout
    for name in filter(None, names.split("\0")):
        path = repository / name
        if path.is_file() and b"\0" not in (content := path.read_bytes()) and not name.endswith(".gz"):
            yield name, content.decode("utf-8")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_every_file_keeps_the_rule(rule: Rule, repository: Path) -> None:
    allowed = ALLOWED.get(rule.__name__, {}).keys()
    findings = [finding for source in python_sources(repository) for finding in rule(source)]

    assert [str(finding) for finding in findings if finding.key not in allowed] == []
    assert allowed - {finding.key for finding in findings} == set(), "no longer needed: shorten the allow-list"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_rule_bites_and_lets_good_code_pass(rule: Rule) -> None:
    assert len(list(rule(BAD[rule.__name__]))) == 1
    assert list(rule(GOOD)) == []


def test_cleaning_up_on_the_way_out_is_no_blanket_except() -> None:
    rule = next(rule for rule in RULES if rule.__name__ == "no_blanket_excepts")
    text = "def f() -> None:\n    try:\n        g()\n    except BaseException:\n        close()\n        raise\n"

    assert list(rule(Source(PurePosixPath("src/quiredb/a.py"), text))) == []


@pytest.mark.parametrize("what", FORBIDDEN_TEXT)
def test_no_tracked_file_holds(what: str, repository: Path) -> None:
    pattern = FORBIDDEN_TEXT[what]
    found = [f"{name}: {match[0]}" for name, text in tracked_texts(repository) if (match := pattern.search(text))]

    assert found == []


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("a package registry's host", "https://pyp" + "i.org/simple"),
        ("a path of one machine", "open('/wo" + "rk/data')"),
        ("a path of one machine", "see /home/" + "someone/data"),
        ("a merge conflict", "a\n<<<<" + "<<< HEAD\nb\n"),
    ],
)
def test_forbidden_text_is_recognised(what: str, text: str) -> None:
    assert FORBIDDEN_TEXT[what].search(text)


def test_every_tracked_file_ends_with_one_newline(repository: Path) -> None:
    untidy = [name for name, text in tracked_texts(repository) if text and not text.endswith("\n")]

    assert untidy == []


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from marshal import loads",
        "import yaml",
        "eval(x)",
        "np.load(x, allow_pickle=True)",
        "np.load(x, allow_pickle=y)",
        "subprocess.run(x, shell=True)",
        "archive.extractall(x)",
        "os.system(x)",
        'connection.execute(f"DELETE FROM {x}")',
        'fetch(1, 2)\nconnection.execute("DELETE FROM " + x)',
    ],
)
def test_what_runs_data_is_recognised(line: str) -> None:
    assert len(list(nothing_runs_data(Source(PurePosixPath("src/quiredb/a.py"), line + "\n")))) == 1


@pytest.mark.parametrize(
    "line", ["re.compile(x)", "np.load(x, allow_pickle=False)", 'connection.execute("SELECT 1")', "subprocess.run(x)"]
)
def test_what_does_not_is_let_pass(line: str) -> None:
    assert list(nothing_runs_data(Source(PurePosixPath("src/quiredb/a.py"), line + "\n"))) == []
