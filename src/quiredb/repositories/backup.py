"""Backups of a data folder that is open, while it is written to."""

from collections.abc import Iterator, Set
from contextlib import ExitStack, contextmanager
from pathlib import Path

from quiredb.repositories.libraries import LibraryRepository
from quiredb.storage.backup_pin import held_still
from quiredb.storage.backup_source import Part, backup_parts
from quiredb.storage.connections import ReadConnections


def online_parts(repository: LibraryRepository, known: Set[str], program: str) -> Iterator[Part]:
    """The parts of a backup; commits to a library wait only until it is held still, not while it is read."""

    @contextmanager
    def pin(library_id: str, path: Path) -> Iterator[ReadConnections]:
        library = repository.get(library_id)
        with ExitStack() as held:
            with library.exclusively():
                readers = held.enter_context(held_still(path))
            yield readers

    return backup_parts(repository.folder, pin, known, program)
