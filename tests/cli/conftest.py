"""Running `quire` in this process against a server made of dicts."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx
import pytest
from quiredb_client import Client, RetryPolicy

from quiredb.cli import connection
from quiredb.cli.main import main
from tests.cli.dict_server import DictServer


@dataclass(frozen=True)
class Run:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def until(condition: Callable[[], bool], seconds: float = 120.0) -> None:
    """Wait for a condition of another process."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


Quire = Callable[..., Run]


@pytest.fixture
def quire(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Quire:
    """Runs a command with these arguments."""
    for name in ("QUIRE_URL", "QUIRE_API_KEY", "QUIRE_DATA", "QUIRE_HOST", "QUIRE_PORT", "PORT", "QUIRE_EMBEDDERS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")

    def run(*arguments: object) -> Run:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        output = capsys.readouterr()
        return Run(code, output.out, output.err)

    return run


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> DictServer:
    """Takes the place of the network for the commands of this test."""
    server = DictServer()
    client = partial(Client, transport=httpx.MockTransport(server.handle), retries=RetryPolicy(retries=0))
    monkeypatch.setattr(connection, "Client", client)
    return server
