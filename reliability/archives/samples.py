"""A small data folder and what is in it, told without Quire's own digest."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

import numpy as np

from quiredb.domain.commands import CreateLibrary, DeleteChunk, NewChunk, Operation, PutChunk, WriteBatch
from quiredb.domain.library import IndexKind, IndexSpec
from quiredb.domain.metadata import ChunkMetadata, LibraryMetadata
from quiredb.domain.metric import Metric
from quiredb.storage.backups.folder import BackupFolder, StoredBackup
from quiredb.storage.backups.source import offline_parts
from quiredb.storage.folder import DataFolder
from quiredb.storage.library_store import LibraryStore, SegmentRecord
from quiredb.storage.segment_file import write_segment

DIMENSION = 4
START = datetime(2026, 1, 1, tzinfo=UTC)
Contents: TypeAlias = dict[str, tuple[str, bytes]]
"""Text and vector of each chunk."""


def creation(library_id: str, kind: IndexKind = IndexKind.AUTO) -> CreateLibrary:
    """A library of `DIMENSION` components."""
    return CreateLibrary(library_id, DIMENSION, Metric.L2, IndexSpec(kind), None, LibraryMetadata(), START)


def put(number: int, revision: int = 0) -> PutChunk:
    """Write the chunk of that number; each revision has another text and vector."""
    text = f"text {number}, revision {revision}"
    vector = np.random.default_rng([number, revision]).normal(size=DIMENSION).astype("<f4").tobytes()
    return PutChunk("document", NewChunk(f"chunk-{number:05d}", text, vector, ChunkMetadata()), create_document=True)


def batch(*operations: Operation) -> WriteBatch:
    """One commit."""
    return WriteBatch(operations, START)


def applied(contents: Contents, operations: Iterable[Operation]) -> Contents:
    """What is there after the operations."""
    after = dict(contents)
    for operation in operations:
        match operation:
            case PutChunk():
                after[operation.chunk.id] = (operation.chunk.text, operation.chunk.embedding)
            case DeleteChunk():
                after.pop(operation.id, None)
    return after


def make_data(path: Path, libraries: Mapping[str, int]) -> None:
    """A closed data folder; each library has so many chunks, and a segment file that is only bytes."""
    with closing(DataFolder.open(path)) as folder:
        for library_id, count in libraries.items():
            key = os.urandom(8).hex()
            with closing(LibraryStore.create(folder.library_folder(key), creation(library_id))) as store:
                store.write([batch(*map(put, range(count)))])
                size = write_segment(store.segment_path("0-5-1-ab"), {}, {"a": np.arange(100, dtype=np.float32)})
                store.swap_segments([], [SegmentRecord("0-5-1-ab", 0, 5, 1, 5, "flat", size)])
            folder.catalogue.add(library_id, key, None)


def contents(data: Path) -> dict[str, Contents]:
    """What each library of a closed folder holds at its newest position."""
    with closing(DataFolder.open(data)) as folder:
        keys = folder.catalogue.entries()
        return {name: library_contents(folder.library_folder(key)) for name, key in keys.items()}


def library_contents(folder: Path) -> Contents:
    """What a closed library holds at its newest position, counted as it says."""
    with closing(LibraryStore.open(folder)) as store:
        library = store.library()
        rows = [row for rows in store.live_chunk_rows(0, None, library.position) for row in rows]
    found = {row.chunk.id: (row.chunk.text, row.chunk.embedding or b"") for row in rows}
    assert len(found) == len(rows) == library.chunk_count, "the library does not count its chunks"
    return found


def take(data: Path, backups: BackupFolder) -> StoredBackup:
    """Back up a closed folder."""
    with closing(DataFolder.open(data)) as folder:
        return backups.take(offline_parts(folder, backups.known_blocks(), "rig"), lambda _: None).backup


def names(folder: Path) -> set[str]:
    """What is in a folder, by name."""
    return {path.name for path in folder.iterdir()}
