"""What the disk rigs have the product do: every kind of write and of housekeeping, in one thread, the same again."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import numpy as np

from quiredb.domain.commands import CreateLibrary, DeleteChunk, DeleteDocument, NewChunk, PutChunk, WriteBatch
from quiredb.domain.library import IndexKind, IndexSpec
from quiredb.domain.metadata import ChunkMetadata, LibraryMetadata
from quiredb.domain.metric import Metric
from quiredb.engine.building import Progress
from quiredb.engine.merging import MergeRange
from quiredb.repositories.libraries import LibraryRepository
from quiredb.repositories.segments import merge, seal

DIMENSION = 8
AT = datetime(2026, 1, 1, tzinfo=UTC)
_UNWATCHED = Progress(lambda _: None, lambda: False)


@dataclass(frozen=True, slots=True)
class Row:
    """A chunk as the truth knows it."""

    document: str
    text: str
    embedding: bytes
    page: int


@dataclass(frozen=True, slots=True)
class Contents:
    """A library as the truth knows it."""

    rows: Mapping[str, Row] = field(default_factory=dict)
    documents: frozenset[str] = frozenset()


Truth = Mapping[str, Contents]
"""Every library by its id."""


class Session:
    """The product, opened and closed as the workload says."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._repository: LibraryRepository | None = None

    @property
    def repository(self) -> LibraryRepository:
        """All libraries, opened when they are first asked for."""
        if self._repository is None:
            self._repository = LibraryRepository.open(self.path)
        return self._repository

    def close(self) -> None:
        """Close whatever is open."""
        repository, self._repository = self._repository, None
        if repository is not None:
            repository.close()


class Operation(Protocol):
    """One step of the workload."""

    def do(self, session: Session) -> None:
        """Do it; returning is the acknowledgement."""
        ...

    def change(self, truth: Truth) -> Truth:
        """What is true once it is done."""
        ...


@dataclass(frozen=True, slots=True)
class Create:
    """Make a library."""

    library: str

    def do(self, session: Session) -> None:
        session.repository.create(
            CreateLibrary(self.library, DIMENSION, Metric.L2, IndexSpec(IndexKind.AUTO), None, LibraryMetadata(), AT)
        )

    def change(self, truth: Truth) -> Truth:
        return {**truth, self.library: Contents()}


@dataclass(frozen=True, slots=True)
class Drop:
    """Delete a library."""

    library: str

    def do(self, session: Session) -> None:
        session.repository.delete(self.library)

    def change(self, truth: Truth) -> Truth:
        return {name: contents for name, contents in truth.items() if name != self.library}


@dataclass(frozen=True, slots=True)
class Write:
    """Put chunks, delete chunks, delete documents: one command."""

    library: str
    puts: Mapping[str, Row] = field(default_factory=dict)
    deletes: tuple[str, ...] = ()
    drops: tuple[str, ...] = ()

    def do(self, session: Session) -> None:
        session.repository.get(self.library).submit(self.command())

    def command(self) -> WriteBatch:
        """The product's command for it."""
        puts = [PutChunk(row.document, _new_chunk(name, row), create_document=True) for name, row in self.puts.items()]
        deletes = [DeleteChunk(name) for name in self.deletes]
        drops = [DeleteDocument(name) for name in self.drops]
        return WriteBatch((*puts, *deletes, *drops), AT)

    def change(self, truth: Truth) -> Truth:
        before = truth[self.library]
        rows = {**before.rows, **self.puts}
        kept = {name: row for name, row in rows.items() if name not in self.deletes and row.document not in self.drops}
        documents = before.documents | {row.document for row in self.puts.values()}
        return {**truth, self.library: Contents(kept, documents - set(self.drops))}


@dataclass(frozen=True, slots=True)
class Tidy:
    """Housekeeping, which changes nothing that anybody can see."""

    library: str
    work: Callable[[LibraryRepository, str], object]

    def do(self, session: Session) -> None:
        self.work(session.repository, self.library)

    def change(self, truth: Truth) -> Truth:
        return truth


@dataclass(frozen=True, slots=True)
class Reopen:
    """Close the folder and open it again."""

    def do(self, session: Session) -> None:
        session.close()
        assert session.repository is not None

    def change(self, truth: Truth) -> Truth:
        return truth


def _new_chunk(name: str, row: Row) -> NewChunk:
    return NewChunk(name, row.text, row.embedding, ChunkMetadata(page=row.page))


def _seal(repository: LibraryRepository, name: str) -> None:
    seal(repository.get(name), _UNWATCHED)


def _merge(repository: LibraryRepository, name: str) -> None:
    library = repository.get(name)
    count = len(library.view().segments)
    if count:
        merge(library, MergeRange(0, count), _UNWATCHED)


def _purge(repository: LibraryRepository, name: str) -> None:
    library = repository.get(name)
    with library.exclusively():
        library.collection.sweep_fresh()
        library.store.purge(library.collection.horizon(), 500)


def _repack(repository: LibraryRepository, name: str) -> None:
    library = repository.get(name)
    with library.exclusively():
        library.store.repack(1_000)


def _release(repository: LibraryRepository, name: str) -> None:
    library = repository.get(name)
    with library.exclusively():
        library.store.release_pages(64)


def _checkpoint(repository: LibraryRepository, name: str) -> None:
    library = repository.get(name)
    with library.exclusively():
        library.store.checkpoint()


_HOUSEKEEPING = (_seal, _merge, _purge, _repack, _release, _checkpoint)


@dataclass(slots=True)
class _Script:
    """Writes the workload; knows what is alive."""

    chance: random.Random
    operations: list[Operation] = field(default_factory=lambda: [Reopen()])
    truth: Truth = field(default_factory=dict)
    written: int = 0

    def add(self, operation: Operation) -> None:
        self.operations.append(operation)
        self.truth = operation.change(self.truth)

    def write(self, library: str, count: int) -> None:
        """A batch of new and replaced chunks, a few deletes, now and then a document that goes."""
        alive = sorted(self.truth[library].rows)
        replaced = self.chance.sample(alive, min(len(alive), count // 3))
        names = [*replaced, *(f"chunk-{self.written + number}" for number in range(count - len(replaced)))]
        self.written += count
        puts = {name: self._row(library, name) for name in names}
        others = [name for name in alive if name not in puts]
        deletes = tuple(self.chance.sample(others, min(len(others), count // 4)))
        self.add(Write(library, puts, deletes))
        if self.chance.random() < 0.2:
            document = self.chance.choice(sorted(self.truth[library].documents))
            self.add(Write(library, drops=(document,)))

    def _row(self, library: str, name: str) -> Row:
        """A chunk stays in its document; some texts are longer than a page."""
        known = self.truth[library].rows.get(name)
        document = known.document if known else f"document-{self.chance.randrange(4)}"
        words = self.chance.choice(("alpha", "beta", "gamma"))
        text = f"{words} {self.chance.random()} " * self.chance.choice((1, 3, 30, 1_500))
        vector = np.array([self.chance.gauss(0, 1) for _ in range(DIMENSION)], "<f4")
        return Row(document, text, vector.tobytes(), self.chance.randrange(10))


def workload(seed: int, rounds: int = 6) -> list[Operation]:
    """The operations for a seed. The first opens a new folder."""
    script = _Script(random.Random(seed))
    script.add(Create("first"))
    script.write("first", 8)
    script.add(Create("second"))
    for number in range(rounds):
        library = script.chance.choice(("first", "second"))
        for _ in range(2):
            script.write(library, script.chance.randint(2, 12))
        for work in script.chance.sample(_HOUSEKEEPING, 3):
            script.add(Tidy(library, work))
        if number == rounds // 2:
            script.add(Reopen())
            script.add(Drop("second"))
            script.add(Create("second"))
            script.write("second", 4)
    script.add(Tidy("first", _seal))
    script.write("first", 9)
    for work in _HOUSEKEEPING:
        script.add(Tidy("first", work))
    script.add(Reopen())
    return script.operations


def truths(operations: list[Operation]) -> list[Truth]:
    """What is true before the first operation and after each."""
    found: list[Truth] = [{}]
    for operation in operations:
        found.append(operation.change(found[-1]))
    return found
