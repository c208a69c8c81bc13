"""`quire serve` as an operator meets it: a process, signals, exit codes."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from quiredb.cli.exit_codes import ExitCode
from tests.cli.conftest import Quire, until

QUIRE = Path(sys.executable).parent / "quire"
ENDED_WITHIN_SECONDS = 60


class Server:
    """A `quire serve` on a free port, with what it printed so far."""

    def __init__(self, data: Path, *arguments: str) -> None:
        self.log = data.parent / f"{data.name}.log"
        kept = {name: value for name, value in os.environ.items() if not name.startswith("QUIRE_DATA")}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [QUIRE, "serve", "--data", data, "--port", "0", *arguments], stdout=log, stderr=log, env=kept
            )

    @property
    def said(self) -> str:
        return self.log.read_text(encoding="utf-8")

    @property
    def url(self) -> str:
        found: list[str] = []

        def listening() -> bool:
            assert self.process.poll() is None, self.said
            found[:] = re.findall(r"^listening on (https?://\S+)$", self.said, re.MULTILINE)
            return bool(found)

        until(listening)
        return found[0]

    def wait_until_ready(self) -> None:
        url = self.url
        until(lambda: httpx.get(f"{url}/readyz").status_code == 200)

    def end(self, with_signal: int = signal.SIGTERM) -> int:
        self.process.send_signal(with_signal)
        return self.process.wait(ENDED_WITHIN_SECONDS)


@contextmanager
def serving(data: Path, *arguments: str) -> Iterator[Server]:
    server = Server(data, *arguments)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.process.kill()
            server.process.wait()


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_a_server_starts_serves_and_ends_with_0(tmp_path: Path, quire: Quire, ending: int) -> None:
    with serving(tmp_path / "data") as server:
        url = server.url
        assert httpx.get(f"{url}/livez").status_code == 200
        server.wait_until_ready()
        created = quire("libraries", "create", "kept", "--dimension", 3, "--url", url)
        listed = quire("libraries", "--json", "--url", url)
        code = server.end(ending)

    assert created.code == 0, created.err
    assert [library["id"] for library in listed.json] == ["kept"]
    assert code == 0
    lines = server.said.splitlines()
    assert lines[0] == f"opening the data folder {tmp_path / 'data'}"
    assert lines[-1] == "stopped"
    assert "Traceback" not in server.said


def test_a_second_server_on_the_same_folder_is_refused(tmp_path: Path, quire: Quire) -> None:
    with serving(tmp_path / "data") as first:
        first.wait_until_ready()
        with serving(tmp_path / "data", "--log-level", "error") as second:
            code = second.process.wait(ENDED_WITHIN_SECONDS)
            said = second.said
        checked = quire("check", tmp_path / "data")
        assert first.end() == 0

    assert code == ExitCode.FAILURE
    assert "hint: stop that process" in said
    assert "Traceback" not in said
    assert checked.code == ExitCode.FAILURE


def test_a_bad_embedder_file_is_a_configuration_error(tmp_path: Path) -> None:
    file = tmp_path / "embedders.toml"
    file.write_text('[providers.x]\ntype = "chatty"\n', encoding="utf-8")
    with serving(tmp_path / "data", "--embedders", str(file)) as server:
        code = server.process.wait(ENDED_WITHIN_SECONDS)

    assert code == ExitCode.CONFIGURATION
    assert "providers.x.type is not one of cohere, openai, sentence-transformers" in server.said
    assert "Traceback" not in server.said


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "db.example"])
def test_other_machines_are_not_served_without_a_word(quire: Quire, tmp_path: Path, host: str) -> None:
    run = quire("serve", "--host", host, "--data", tmp_path / "data", "--port", 0)

    assert run.code == ExitCode.CONFIGURATION
    assert "--allow-open" in run.err
    assert not (tmp_path / "data").exists()


def test_allow_open_serves_every_address(tmp_path: Path) -> None:
    with serving(tmp_path / "data", "--host", "0.0.0.0", "--allow-open") as server:
        port = server.url.rpartition(":")[2]
        assert httpx.get(f"http://127.0.0.1:{port}/livez").status_code == 200
        assert server.end() == 0


def test_a_taken_port_is_said_before_anything_is_opened(quire: Quire, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        run = quire("serve", "--data", tmp_path / "data", "--port", taken.getsockname()[1])

    assert run.code == ExitCode.FAILURE
    assert "cannot listen on 127.0.0.1" in run.err
    assert "--port" in run.err
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("QUIRE_PORT", "seven"),
        ("PORT", "70000"),
        ("QUIRE_AUDIT_SHARE", "2"),
        ("QUIRE_DRAIN_DELAY", "-1"),
        ("QUIRE_MEMORY_LIMIT", "much"),
        ("QUIRE_CONNECTIONS_MAX", "0"),
        ("QUIRE_REQUESTS_AT_ONCE_MAX", "-5"),
        ("QUIRE_REQUESTS_PER_SECOND_MAX", "1.5"),
    ],
)
def test_a_variable_of_the_environment_that_makes_no_sense_is_a_configuration_error(
    quire: Quire, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    for words in (("serve",), ("doctor",), ("libraries", "--data", tmp_path)):
        run = quire(*words)
        assert f"error: The environment variable {name} is a " in run.err
        assert run.code == (ExitCode.FAILURE if "--data" in words else ExitCode.CONFIGURATION)


def test_a_drain_delay_serves_on_while_readiness_says_no(tmp_path: Path) -> None:
    with serving(tmp_path / "data", "--drain-delay", "1.5") as server:
        url = server.url
        server.wait_until_ready()
        server.process.send_signal(signal.SIGTERM)
        until(lambda: httpx.get(f"{url}/readyz").json()["status"] == "draining")
        served = httpx.get(f"{url}/v1/libraries")
        assert (served.status_code, served.headers["connection"]) == (200, "close")
        assert server.process.wait(ENDED_WITHIN_SECONDS) == 0
    assert server.said.splitlines()[-1] == "stopped"


def test_a_request_under_way_is_finished(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as server:
        url = server.url
        server.wait_until_ready()
        assert httpx.put(f"{url}/v1/libraries/slow", json={"dimension": 2}).status_code == 201
        begun, go = threading.Event(), threading.Event()

        def lines() -> Iterator[bytes]:
            yield b'{"id":"a"}\n'
            begun.set()
            assert go.wait(30)
            yield b'{"id":"b"}\n'

        with ThreadPoolExecutor(1) as pool:
            headers = {"content-type": "application/x-ndjson"}
            imported = pool.submit(httpx.post, f"{url}/v1/libraries/slow/import", content=lines(), headers=headers)
            assert begun.wait(30)
            server.process.send_signal(signal.SIGTERM)
            until(lambda: refuses(url))
            go.set()
            assert imported.result().json()["documents"] == 2
        assert server.process.wait(ENDED_WITHIN_SECONDS) == 0


@pytest.mark.parametrize(("ending", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_second_signal_ends_at_once(tmp_path: Path, quire: Quire, ending: int, code: int) -> None:
    with serving(tmp_path / "data", "--drain-delay", "60") as server:
        url = server.url
        server.wait_until_ready()
        assert httpx.put(f"{url}/v1/libraries/kept", json={"dimension": 2}).status_code == 201
        server.process.send_signal(ending)
        until(lambda: httpx.get(f"{url}/readyz").status_code == 503)
        assert server.end(ending) == code
    assert quire("check", tmp_path / "data").code == 0
    listed = quire("libraries", "--json", "--data", tmp_path / "data")
    assert [library["id"] for library in listed.json] == ["kept"]


def refuses(url: str) -> bool:
    """Whether nobody new is let in."""
    try:
        httpx.get(f"{url}/livez")
    except httpx.TransportError:
        return True
    return False


def test_tracing_without_its_packages_says_what_to_install(
    quire: Quire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "quiredb.cli.trace_export", None)
    run = quire("serve", "--data", tmp_path / "data", "--port", 0, "--tracing")

    assert run.code == ExitCode.CONFIGURATION
    assert "quiredb[otel]" in run.err
