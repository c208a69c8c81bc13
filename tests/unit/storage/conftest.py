from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from quiredb.storage import database
from quiredb.storage.library_store import LibraryStore
from tests.unit.storage.building import create_command
from tests.unit.storage.failing_disk import FailingDisk


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LibraryStore]:
    """An empty library of four dimensions."""
    opened = LibraryStore.create(tmp_path / "library", create_command())
    yield opened
    opened.close()


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[FailingDisk]:
    disk = FailingDisk()
    monkeypatch.setattr(database, "VFS_NAME", "failing")
    yield disk
    disk.unregister()
