"""A data folder with libraries, and a backup of it, for the tests of backups."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import numpy as np

from quiredb.domain.commands import DeleteChunk
from quiredb.storage.backups.folder import BackupFolder, Taken
from quiredb.storage.backups.source import offline_parts
from quiredb.storage.folder import DataFolder
from quiredb.storage.library_store import LibraryStore, SegmentRecord
from quiredb.storage.segment_file import write_segment
from tests.unit.storage.building import create_command, fill, write


def make_data(path: Path, libraries: dict[str, int]) -> None:
    """A closed data folder; each library has so many chunks, a dead one, and a segment file."""
    with closing(DataFolder.open(path)) as folder:
        for library_id, count in libraries.items():
            key = os.urandom(8).hex()
            store = LibraryStore.create(folder.library_folder(key), create_command(library_id=library_id))
            with closing(store):
                ids = fill(store, count)
                write(store, DeleteChunk(ids[0]))
                size = write_segment(store.segment_path("0-9-1-ab"), {}, {"a": np.arange(400_000, dtype=np.float32)})
                store.swap_segments([], [SegmentRecord("0-9-1-ab", 0, 9, 1, 9, "flat", size)])
            folder.catalogue.add(library_id, key, None)


def stores(data: Path) -> dict[str, LibraryStore]:
    """The libraries of a closed folder, opened; the caller closes them."""
    with closing(DataFolder.open(data)) as folder:
        return {name: LibraryStore.open(folder.library_folder(key)) for name, key in folder.catalogue.entries().items()}


def digests(data: Path) -> dict[str, tuple[int, str]]:
    """Position and state digest of each library."""
    found = {}
    for name, store in stores(data).items():
        with closing(store):
            position = store.library().position
            found[name] = (position, store.digest(position))
    return found


def take(data: Path, backups: BackupFolder) -> Taken:
    """Back up a closed folder."""
    with closing(DataFolder.open(data)) as folder:
        return backups.take(offline_parts(folder, backups.known_blocks(), "test"), lambda _: None)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder by its name in it."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
