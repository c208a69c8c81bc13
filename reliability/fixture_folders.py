"""Small data folders with something of everything in them, and what they mean: the truth of the rot rig."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import apsw
import numpy as np

from quiredb.domain.commands import (
    CreateLibrary,
    DeleteChunk,
    DeleteDocument,
    IdempotencyToken,
    NewChunk,
    Operation,
    PutChunk,
    PutDocument,
    WriteBatch,
)
from quiredb.domain.errors import StorageFailed
from quiredb.domain.filter_parsing import parse_filter
from quiredb.domain.library import IndexKind, IndexSpec
from quiredb.domain.metadata import ChunkMetadata, DocumentMetadata, LibraryMetadata
from quiredb.domain.metric import Metric
from quiredb.engine.index_choice import IndexPlan
from quiredb.engine.searching import Nearest
from quiredb.repositories import segments
from quiredb.repositories.libraries import LibraryRepository
from quiredb.repositories.open_library import OpenLibrary
from quiredb.storage import database

DIMENSION = 4
ROWS = 24
KINDS = ("flat", "graph", "ivf")
LOG = "log"
"""The folder that was copied while a process had it open, so that its last commits are in write-ahead logs."""
LOGGED_COMMITS = 4
PAIR = "pair"
"""The folder with two libraries, of which `before` is the state before their last commits."""
_PAGE_BYTES = 512
_AT = datetime(2026, 1, 1, tzinfo=UTC)
_FILTERS = ({"text": {"contains": "3"}}, {"page": {"lt": 2}}, {"doc.title": "title 1"})

UNFORESEEN = (ArithmeticError, AssertionError, AttributeError, LookupError, OSError, TypeError, ValueError, apsw.Error)
"""What a bug in reading damaged files would raise; errors that are meant for it are `StorageFailed`."""

Files = Mapping[str, bytes]
"""The files of a folder by their path in it."""

State = Mapping[str, str]
"""What each library holds: a digest of all of it, or `damaged: ...`. An empty key holds what concerns all of them."""


@dataclass(frozen=True, slots=True)
class Fixture:
    """A folder's files and what they mean. `before`: what they meant before each of the last commits, newest first.

    `earlier`: the files when they meant `before[0]`, where they are known.
    """

    files: Files
    state: State
    before: tuple[State, ...] = ()
    earlier: Files = field(default_factory=dict)


@contextmanager
def _made_small(kind: str) -> Iterator[None]:
    """In this block databases have pages of 512 bytes, and segments of a few rows the index of many."""
    with ExitStack() as stack:
        stack.enter_context(patch.object(database, "PAGE_BYTES", _PAGE_BYTES))
        stack.enter_context(patch.object(segments, "plan_segment", lambda _index, _rows: IndexPlan(kind, {})))
        yield


def make_fixtures() -> dict[str, Fixture]:
    """One folder with a segment of each kind of index, and one with logs that are not merged."""
    fixtures = {}
    with TemporaryDirectory(prefix="quire-fixture-") as scratch:
        for kind in KINDS:
            path = Path(scratch) / kind
            with _made_small(kind), _opened(path) as repository:
                library = _fill(repository, kind)
                assert [record.kind for record in library.store.segments()] == [kind]
            fixtures[kind] = Fixture(read_files(path), state_of(path))
        fixtures[LOG] = _make_log(Path(scratch) / LOG)
        fixtures[PAIR] = _make_pair(Path(scratch) / PAIR)
    return fixtures


def read_files(path: Path) -> Files:
    """All files of a folder."""
    return {str(file.relative_to(path)): file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file()}


def write_files(path: Path, files: Files) -> None:
    """Make the folder hold these files and no others."""
    shutil.rmtree(path, ignore_errors=True)
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)


def state_of(path: Path) -> State:
    """Open the folder as a server does, look at every segment's checksums as its background work does, and read it all.

    Raises what opening raises: `StorageFailed` or `FormatUnsupported`.
    """
    with _opened(path) as repository:
        state = {name: f"damaged: {error.detail}" for name, error in repository.damaged.items()}
        for name in repository.folder.catalogue.entries().keys() - state.keys():
            try:
                state[name] = _digest(repository.get(name))
            except StorageFailed as error:
                state[name] = f"damaged: {error.detail}"
        state[""] = blake2b(repository.folder.secret).hexdigest()
        return state


@contextmanager
def _opened(path: Path) -> Iterator[LibraryRepository]:
    repository = LibraryRepository.open(path)
    try:
        yield repository
    finally:
        repository.close()


def _fill(repository: LibraryRepository, kind: str) -> OpenLibrary:
    """A sealed segment with deaths in it, fresh rows, free pages, an answer kept for its idempotency key."""
    creation = CreateLibrary(
        kind, DIMENSION, Metric.L2, IndexSpec(IndexKind(kind)), None, LibraryMetadata(title="of all sorts"), _AT
    )
    library, _ = repository.create(creation)
    library.submit(_batch(*(_put(number) for number in range(ROWS + 8))))
    library.submit(_batch(*(DeleteChunk(f"c{ROWS + number}") for number in range(8))))
    library.store.purge(library.view().position, 100)
    segments.seal(library, segments.unwatched(lambda: False))
    token = IdempotencyToken("key", "digest")
    library.submit(WriteBatch((_put(100), PutDocument("d9", DocumentMetadata(title="title 9"))), _AT, token))
    library.submit(_batch(*(DeleteChunk(f"c{number}") for number in range(3)), DeleteDocument("d2")))
    return library


def _make_log(path: Path) -> Fixture:
    with _made_small("flat"), _opened(path) as repository:
        library = _fill(repository, "flat")
        library.store.checkpoint()
        states = []
        for number in range(LOGGED_COMMITS):
            states.append({"flat": _digest(library), "": blake2b(repository.folder.secret).hexdigest()})
            library.submit(_batch(_put(200 + number), DeleteChunk(f"c{9 + 3 * number}")))
        files = read_files(path)
    image = path.with_name("image")
    write_files(image, files)
    return Fixture(files, state_of(image), tuple(reversed(states)))


def _make_pair(path: Path) -> Fixture:
    with _made_small("graph"), _opened(path) as repository:
        _fill(repository, "graph")
        _fill(repository, "flat")
    state = state_of(path)
    earlier = read_files(path)
    with _opened(path) as repository:
        for name in ("graph", "flat"):
            repository.get(name).submit(_batch(_put(300)))
    return Fixture(read_files(path), state_of(path), (state,), earlier)


def _digest(library: OpenLibrary) -> str:
    """Everything that a library answers, to one number."""
    damaged = segments.damaged_segments(library, lambda: False)
    if damaged:
        segments.serve_from_store(library, damaged)
    view = library.view()
    state = blake2b(digest_size=16)
    queries = np.arange(2 * DIMENSION, dtype=np.float32).reshape(2, DIMENSION)
    said: list[object] = [view.library, library.store.digest(view.position), _kinds(library)]
    for query in queries:
        for filter_ in (None, *map(parse_filter, _FILTERS)):
            ranking = library.search(view, Nearest(query, 2 * ROWS, exact=True), filter_)
            found = library.store.chunks_by_row(ranking.found.rows)
            chunks = [found[row] for row in ranking.found.rows]
            near = list(zip(ranking.found.distances, ranking.found.document_keys, strict=True))
            said.append([(*one, chunk.id, chunk.text) for one, chunk in zip(near, chunks, strict=True)])
    said.append(_kept_answers(library))
    state.update(repr(said).encode())
    return state.hexdigest()


def _kinds(library: OpenLibrary) -> Sequence[object]:
    kinds = library.store.attribute_kinds().items()
    return sorted((field.scope.value, field.name, sorted(kind.value for kind in seen)) for field, seen in kinds)


def _kept_answers(library: OpenLibrary) -> list[object]:
    with library.store._readers.borrow() as connection:
        return database.fetch(connection, "SELECT key, digest, at, receipt FROM idempotency ORDER BY key")


def _put(number: int) -> PutChunk:
    vector = np.random.default_rng(number).integers(-9, 9, DIMENSION).astype("<f4").tobytes()
    metadata = ChunkMetadata(page=number % 5, tags=("one", "two"), attributes={"n": number, "s": f"value {number}"})
    return PutChunk(f"d{number % 3}", NewChunk(f"c{number}", f"text {number}", vector, metadata), create_document=True)


def _batch(*operations: Operation) -> WriteBatch:
    return WriteBatch(operations, _AT)
