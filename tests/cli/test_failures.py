"""Errors as people see them, and the exit codes that scripts see."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from quiredb.cli.exit_codes import ExitCode
from quiredb.cli.failures import CommandFailed, failure_of
from quiredb.domain import errors
from tests.cli.conftest import Quire
from tests.cli.dict_server import DictServer, problem

QUIRE = Path(sys.executable).parent / "quire"


@pytest.mark.parametrize(
    ("answer", "code", "hint"),
    [
        (problem(404, "There is no library 'x'."), ExitCode.NOT_FOUND, "quire libraries"),
        (problem(401, "A key is needed."), ExitCode.FAILURE, "--api-key"),
        (problem(409, "It is like that."), ExitCode.FAILURE, ""),
        (problem(503, "Starting."), ExitCode.FAILURE, "may succeed later"),
        (problem(500, "Boom."), ExitCode.FAILURE, "r-1"),
        (httpx.Response(200, text="a proxy's page"), ExitCode.FAILURE, ""),
    ],
)
def test_answers_become_messages(
    quire: Quire, server: DictServer, answer: httpx.Response, code: int, hint: str
) -> None:
    server.answer = lambda _request: answer

    run = quire("stats", "x")

    assert run.code == code
    assert run.out == ""
    assert run.err.startswith("error: ")
    assert hint in run.err
    assert "Traceback" not in run.err


def test_every_invalid_place_of_a_request_is_shown(quire: Quire, server: DictServer) -> None:
    places = [{"pointer": f"/filter/{name}", "code": "c", "detail": f"No {name}."} for name in ("a", "b")]
    server.answer = lambda _request: problem(422, "2 problems", errors=places)

    run = quire("search", "x", "--text", "t")

    assert "2 problems\n  /filter/a: No a.\n  /filter/b: No b." in run.err


def test_no_server_is_exit_code_4_with_advice(quire: Quire) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    run = quire("libraries", "--url", f"http://127.0.0.1:{port}")

    assert run.code == ExitCode.CANNOT_CONNECT
    assert "quire serve" in run.err


@pytest.mark.parametrize("arguments", [["--url", "localhost:7333"], ["--data", "/no/such/folder"]])
def test_an_address_or_folder_that_is_none_is_a_usage_error(quire: Quire, arguments: list[str]) -> None:
    assert quire("libraries", *arguments).code == ExitCode.USAGE


@pytest.mark.parametrize(
    ("error", "code", "hint"),
    [
        (errors.FolderInUse("Another process holds it."), ExitCode.FAILURE, "--url"),
        (errors.DataDamaged("Bad checksum."), ExitCode.DAMAGED_DATA, "quire check"),
        (errors.NotFound("library", "x"), ExitCode.NOT_FOUND, ""),
        (errors.StorageFull("No space."), ExitCode.FAILURE, ""),
        (CommandFailed("No.", "Do.", ExitCode.CONFIGURATION), ExitCode.CONFIGURATION, "Do."),
        (PermissionError(13, "Permission denied", "/x"), ExitCode.FAILURE, ""),
    ],
)
def test_errors_of_the_engine_become_messages(error: Exception, code: int, hint: str) -> None:
    failure = failure_of(error)

    assert failure.exit_code == code
    assert hint in failure.hint
    assert failure.message


def test_help_answers_at_once_and_imports_nothing_heavy() -> None:
    script = (
        "import sys\nfrom quiredb.cli.main import main\nassert main(['--help']) == 0\n"
        "print(sorted({'numpy', 'numba', 'httpx', 'rich', 'fastapi', 'pydantic', 'cohere'} & set(sys.modules)))"
    )
    started = time.perf_counter()
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)

    assert run.stdout.splitlines()[-1] == "[]"
    assert "serve" in run.stdout
    assert time.perf_counter() - started < 5


def test_a_reader_that_goes_away_is_no_error_message(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    run = subprocess.run([QUIRE, "version"], stdout=write, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    os.close(write)

    assert run.returncode == ExitCode.FAILURE
    assert run.stderr == ""


@pytest.mark.parametrize(
    "command", ["serve", "libraries", "import", "export", "search", "stats", "check", "warmup", "version"]
)
def test_every_command_explains_itself(quire: Quire, command: str) -> None:
    run = quire(command, "--help")

    assert run.code == 0
    assert run.out.startswith(f"Usage: quire {command}")
    assert max(map(len, run.out.splitlines())) <= 80


def test_version_names_what_is_installed(quire: Quire) -> None:
    assert "quiredb " in quire("version").out
    assert quire("version", "--json").json["python"].startswith("3.")
