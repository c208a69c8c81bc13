"""A data folder opened in this process, as a program without a server would."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from quiredb_client import Client

import quiredb


def until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait for a condition that another thread brings about."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def finishes(work: Callable[[], object], seconds: float = 30.0) -> None:
    """Run `work` in a thread and fail, instead of hanging, when it does not end; its error is raised here."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)
            raise

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    assert not thread.is_alive(), "it hangs"
    if errors:
        raise errors[0]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the data lies."""
    return tmp_path / "data"


@pytest.fixture
def client(folder: Path) -> Iterator[Client]:
    """The folder, open."""
    with quiredb.open(folder) as opened:
        yield opened
