"""One server process for each module, its log shown with a failure."""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from quiredb_client import Client

from tests.e2e.server import Server

_LOG_BYTES_SHOWN = 20_000
_numbers = itertools.count()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running server on an empty folder; ended in good order, which is part of every test."""
    running = Server(tmp_path_factory.mktemp("e2e") / "data")
    try:
        running.start()
        yield running
        assert running.end() == 0, running.said
        assert "Traceback" not in running.said, running.said
    finally:
        running.discard()


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Server]:
    """A server of one test, not yet started."""
    running = Server(tmp_path / "data")
    yield running
    running.discard()


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[Client]:
    """A client of the module's server; it does not repeat anything, so that every failure shows."""
    with server.client() as opened:
        yield opened


@pytest.fixture
def name() -> str:
    """The name of a library that no other test has."""
    return f"library-{next(_numbers)}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the end of the server's log to the report of a failure."""
    report = yield
    fixtures = getattr(item, "funcargs", {})
    for server in (fixtures.get("server"), fixtures.get("own_server")):
        if report.failed and isinstance(server, Server) and server.log.exists():
            log = server.log.read_bytes()[-_LOG_BYTES_SHOWN:].decode(errors="replace")
            report.sections.append(("server log", log))
    return report
