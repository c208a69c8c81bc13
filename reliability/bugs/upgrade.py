"""Bugs in how data folders of other formats are opened."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw

from quiredb.storage import folder, keys
from quiredb.storage.connections import WriteConnection
from quiredb.storage.folder import CATALOGUE_NAME
from quiredb.storage.keys import KeyTable


def mark_last() -> None:
    """A folder says that it is of a newer format only after it is."""
    honest, mark = KeyTable._upgrade, keys.raise_format

    def upgrade(self: KeyTable, path: Path) -> None:
        honest(self, path)
        mark(path)

    keys.raise_format = lambda _: None
    KeyTable._upgrade = upgrade


def upgrade_in_pieces() -> None:
    """Each statement on the catalogue is committed by itself."""
    honest = WriteConnection.transaction

    @contextmanager
    def transaction(self: Any) -> Iterator[apsw.Connection]:
        if self.path.name == CATALOGUE_NAME:
            with self.plain() as connection:
                yield connection
            return
        with honest(self) as connection:
            yield connection

    WriteConnection.transaction = transaction


def take_any_format() -> None:
    """The marker's number is not looked at."""
    folder.FORMAT_VERSION = 10**6
