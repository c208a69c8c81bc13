"""A writer that breaks off between the store and the collection: what is committed is shown, and nothing else."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from quiredb.domain.changes import Change
from quiredb.domain.errors import NotFound, StorageFull
from quiredb.engine import building
from quiredb.engine.collection import Collection
from quiredb.repositories import loading, open_library, segments
from quiredb.repositories.libraries import LibraryRepository
from quiredb.repositories.open_library import OpenLibrary
from quiredb.repositories.segments import seal, serve_from_store, unwatched
from quiredb.storage.library_store import LibraryStore
from tests.unit.repositories.libraries import assert_finds, batch, creation, delete, fill, put

QUIET = unwatched(lambda: False)


@pytest.fixture
def library(tmp_path: Path) -> Any:
    """A library with a segment, dead rows and fresh rows, and no background work: 10 to 599 live."""
    repository = LibraryRepository.open(tmp_path)
    library, _ = repository.create(creation())
    fill(library, range(500))
    seal(library, QUIET)
    library.submit(batch(*map(delete, range(10)), *map(put, range(500, 600))))
    yield library
    assert_survives_a_restart(repository, library)


def assert_survives_a_restart(repository: LibraryRepository, library: OpenLibrary) -> None:
    digest, position = library.store.digest(library.view().position), library.view().position
    alive = {row.chunk.id for rows in library.store.live_chunk_rows(0, None, position) for row in rows}
    repository.close()
    again = LibraryRepository.open(repository.folder.path)
    try:
        reopened = again.get("library")
        assert (reopened.store.digest(reopened.view().position), reopened.view().position) == (digest, position)
        assert_finds(reopened, {int(identifier.removeprefix("chunk-")) for identifier in alive})
    finally:
        again.close()


def break_once(monkeypatch: pytest.MonkeyPatch, owner: type, name: str, error: BaseException, *, first: bool) -> None:
    """Let the method fail once: before it does anything (`first`), or afterwards."""
    real: Callable[..., Any] = getattr(owner, name)

    def broken(*arguments: Any) -> Any:
        monkeypatch.setattr(owner, name, real)
        if not first:
            real(*arguments)
        raise error

    monkeypatch.setattr(owner, name, broken)


def half_apply(self: Collection, changes: Sequence[Change]) -> None:
    for change in changes:
        self._fresh._rows.extend(np.array([row.row for row in change.chunks_born], np.int64))
    raise ZeroDivisionError


def test_a_commit_that_cannot_be_applied_is_answered_and_shown(
    library: OpenLibrary, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = library.view()
    with monkeypatch.context() as patched:
        patched.setattr(Collection, "apply", half_apply)
        receipt = library.submit(batch(put(600), delete(10), delete(599)))
    assert library.view().position == receipt.position == held.position + 1
    assert_finds(library, set(range(11, 599)) | {600})
    assert library.collection.horizon() == held.position, "a held view was forgotten"
    library.submit(batch(put(601), delete(600)))
    assert_finds(library, set(range(11, 599)) | {601})


def test_a_library_that_cannot_be_loaded_again_takes_no_writes_until_it_can(
    library: OpenLibrary, monkeypatch: pytest.MonkeyPatch
) -> None:
    position = library.view().position
    with monkeypatch.context() as patched:
        patched.setattr(Collection, "apply", half_apply)
        break_once(monkeypatch, LibraryStore, "reload_state", StorageFull("full"), first=True)
        with pytest.raises(StorageFull):
            library.submit(batch(put(600)))
    assert library.view().position == position
    assert_finds(library, set(range(10, 600)))
    break_once(monkeypatch, LibraryStore, "reload_state", StorageFull("full"), first=True)
    with pytest.raises(StorageFull):
        library.submit(batch(put(601)))
    with library.exclusively():
        assert_finds(library, set(range(10, 601)))
    library.submit(batch(put(601)))
    assert_finds(library, set(range(10, 602)))


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize(("owner", "name"), [(LibraryStore, "write"), (Collection, "apply")])
def test_the_next_writer_shows_what_an_interrupted_one_committed(
    library: OpenLibrary, monkeypatch: pytest.MonkeyPatch, owner: type, name: str, *, first: bool
) -> None:
    state = library.store._state
    break_once(monkeypatch, owner, name, KeyboardInterrupt(), first=first)
    with pytest.raises(KeyboardInterrupt):
        library.submit(batch(put(600)))
    if name == "write":
        library.store._state = state  # interrupted between the commit and the note of it
    committed = set() if (name, first) == ("write", True) else {600}
    library.submit(batch(put(601)))
    assert_finds(library, set(range(10, 600)) | {601} | committed)


def test_a_refused_write_does_not_load_anything(library: OpenLibrary, monkeypatch: pytest.MonkeyPatch) -> None:
    def loads(store: LibraryStore) -> loading.Loaded:
        raise AssertionError("loaded")

    monkeypatch.setattr(open_library, "load_collection", loads)
    with pytest.raises(NotFound):
        library.submit(batch(delete(999)))
    break_once(monkeypatch, LibraryStore, "write", StorageFull("full"), first=True)
    with pytest.raises(StorageFull):
        library.submit(batch(put(600)))
    library.submit(batch(put(600)))
    assert_finds(library, set(range(10, 601)))


def test_a_swap_that_is_not_shown_is_caught_up_with(library: OpenLibrary, monkeypatch: pytest.MonkeyPatch) -> None:
    break_once(monkeypatch, Collection, "replace_segments", ZeroDivisionError(), first=True)
    with pytest.raises(ZeroDivisionError):
        seal(library, QUIET)
    assert len(library.view().segments) == 1
    library.submit(batch(put(600), delete(599)))
    assert len(library.view().segments) == 2
    seal(library, QUIET)
    assert_finds(library, set(range(10, 599)) | {600})


def test_what_died_before_a_reload_stays_dead_in_a_segment_that_was_being_built(
    library: OpenLibrary, monkeypatch: pytest.MonkeyPatch
) -> None:
    build, reached, go = building.build_segment, threading.Event(), threading.Event()

    def held_build(*arguments: Any) -> Any:
        reached.set()
        assert go.wait(30)
        return build(*arguments)

    monkeypatch.setattr(segments, "build_segment", held_build)
    sealing = threading.Thread(target=seal, args=(library, QUIET))
    sealing.start()
    assert reached.wait(30)
    library.submit(batch(delete(599)))
    with monkeypatch.context() as patched:
        patched.setattr(Collection, "apply", half_apply)
        library.submit(batch(delete(598)))
    library.submit(batch(delete(597)))
    with library.exclusively():
        library.store.purge(library.collection.horizon(), 1_000)
    go.set()
    sealing.join(30)
    assert [len(part.segment) for part in library.view().segments] == [500, 100]
    assert_finds(library, set(range(10, 597)))


def test_what_dies_while_a_damaged_segment_is_read_from_the_store_stays_dead(
    library: OpenLibrary, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The damaged segment may know its rows no more, so the deaths are asked of the store."""
    (part,) = library.view().segments
    read = loading.segment_from_store

    def slow_read(*arguments: Any) -> Any:
        segment = read(*arguments)
        part.segment.__dict__["rows_in_order"] = np.zeros(len(part.segment), np.int64)
        library.submit(batch(delete(20)))
        return segment

    monkeypatch.setattr(segments, "segment_from_store", slow_read)
    serve_from_store(library, {part.segment.name})
    assert_finds(library, set(range(10, 20)) | set(range(21, 600)))
