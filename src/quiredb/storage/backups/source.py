"""A backup as a stream: the blocks that are new, in any order, and at the end the manifest that names all."""

from collections.abc import Callable, Generator, Iterable, Iterator, Set
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, TypeAlias

from quiredb.domain.errors import NotFound, StorageFailed
from quiredb.domain.times import format_instant, now
from quiredb.storage.backups.manifest import (
    BLOCK_BYTES,
    Manifest,
    Omitted,
    StoredFile,
    StoredLibrary,
    StoredSegment,
)
from quiredb.storage.backups.pin import file_blocks, held_still, held_still_alone
from quiredb.storage.connections import ReadConnections
from quiredb.storage.database import database_errors, fetch
from quiredb.storage.files import file_errors
from quiredb.storage.folder import CATALOGUE_NAME, FORMAT_VERSION, DataFolder
from quiredb.storage.library_store import DATABASE_NAME
from quiredb.storage.scans import LibraryScans
from quiredb.storage.segments import SEGMENTS_NAME
from quiredb.storage.state import load_state


@dataclass(frozen=True, slots=True)
class Block:
    """Bytes that whoever takes the backup does not have yet."""

    digest: str
    content: bytes


@dataclass(frozen=True, slots=True)
class KnownBlock:
    """Bytes that whoever takes the backup has already."""

    digest: str


Part: TypeAlias = Block | KnownBlock | Manifest

Pin: TypeAlias = Callable[[str, Path], AbstractContextManager[ReadConnections]]
"""Holds the library of an id still, whose database has that path; `NotFound` when it has gone."""


def backup_parts(folder: DataFolder, pin: Pin, known: Set[str], program: str) -> Iterator[Part]:
    """All of an open data folder, each library at a position of its own; the manifest comes last.

    `known` are the digests of blocks that need not come again. A library that is deleted meanwhile is left out; one
    that cannot be read is named in the manifest.
    """
    made_at = format_instant(now())
    files = _Files(set(known))
    catalogue = folder.path / CATALOGUE_NAME
    with held_still(catalogue, folder.catalogue.merge_log) as readers:
        entries = _entries(catalogue, readers)
        stored = yield from files.store(file_blocks(catalogue, readers))
    libraries: list[StoredLibrary] = []
    omitted: list[Omitted] = []
    for library_id, key in entries.items():
        path = folder.library_folder(key)
        try:
            with pin(library_id, path / DATABASE_NAME) as readers:
                library = yield from _library(path, key, readers, files)
        except NotFound:
            continue
        except StorageFailed as error:
            if folder.catalogue.entries().get(library_id) == key:
                omitted.append(Omitted(library_id, error.detail[:1_000]))
            continue
        if folder.catalogue.entries().get(library_id) == key:
            libraries.append(library)
    yield Manifest(made_at, program, FORMAT_VERSION, stored, tuple(libraries), tuple(omitted))


def offline_parts(folder: DataFolder, known: Set[str], program: str) -> Iterator[Part]:
    """The parts of a backup of a folder that nobody else has open."""
    return backup_parts(folder, lambda _, path: held_still_alone(path), known, program)


@dataclass(slots=True)
class _Files:
    """Cuts files into blocks and hands out each block once."""

    known: set[str] = field(default_factory=set)

    def store(self, blocks: Iterable[bytes]) -> Generator[Part, None, StoredFile]:
        """The blocks as parts; returns the file that they make."""
        digests: list[str] = []
        size = 0
        for content in blocks:
            digest = sha256(content).hexdigest()
            yield KnownBlock(digest) if digest in self.known else Block(digest, content)
            self.known.add(digest)
            digests.append(digest)
            size += len(content)
        return StoredFile(size, tuple(digests))


def _library(folder: Path, key: str, readers: ReadConnections, files: _Files) -> Generator[Part, None, StoredLibrary]:
    """The parts of one library that is held still; returns what it is.

    Its segment files are opened before anything is read, since a merge may remove them meanwhile. They are caches: one
    that is missing is left out and will be built again.
    """
    path = folder / DATABASE_NAME
    with ExitStack() as opened:
        with readers.borrow() as connection, database_errors(path):
            library = load_state(connection).library
            names = [name for (name,) in fetch(connection, "SELECT name FROM segments ORDER BY name")]
        streams = _opened(folder / SEGMENTS_NAME, names, opened)
        record = yield from files.store(file_blocks(path, readers))
        segments = []
        for name, stream in streams.items():
            file = yield from files.store(_blocks(folder / SEGMENTS_NAME / name, stream))
            segments.append(StoredSegment(name, file))
    return StoredLibrary(
        id=library.id,
        key=key,
        position=library.position,
        digest=LibraryScans(readers).digest(library.position),
        documents=library.document_count,
        chunks=library.chunk_count,
        record=record,
        segments=tuple(segments),
    )


def _opened(folder: Path, names: Iterable[str], opened: ExitStack) -> dict[str, BinaryIO]:
    """The files that are there, open until `opened` ends."""
    streams: dict[str, BinaryIO] = {}
    for name in names:
        with file_errors(folder / name), suppress(FileNotFoundError):
            streams[name] = opened.enter_context((folder / name).open("rb"))
    return streams


def _blocks(path: Path, stream: BinaryIO) -> Iterator[bytes]:
    while True:
        with file_errors(path):
            content = stream.read(BLOCK_BYTES)
        if not content:
            return
        yield content


def _entries(path: Path, readers: ReadConnections) -> dict[str, str]:
    with readers.borrow() as connection, database_errors(path):
        return dict(fetch(connection, "SELECT id, key FROM libraries ORDER BY id"))
