from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from quiredb.storage.library_store import LibraryStore
from tests.unit.storage.building import create_command


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LibraryStore]:
    """An empty library of four dimensions."""
    opened = LibraryStore.create(tmp_path / "library", create_command())
    yield opened
    opened.close()
