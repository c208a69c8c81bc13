"""A data folder with libraries: restart, damage, deletion, creation."""

from __future__ import annotations

import gc
import shutil
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest

from quiredb.domain.commands import DeleteDocument, Expectation, IdempotencyToken
from quiredb.domain.errors import (
    FolderInUse,
    IdempotencyKeyReused,
    PreconditionFailed,
)
from quiredb.domain.filter_parsing import parse_filter
from quiredb.domain.library import IndexKind
from quiredb.engine.view import allowed_rows
from quiredb.repositories.libraries import LibraryRepository
from quiredb.repositories.segments import damaged_segments, serve_from_store
from tests.unit.repositories.libraries import (
    EXPECTED,
    SEALED,
    WRITTEN,
    assert_finds,
    batch,
    creation,
    fill,
    make,
    neighbours,
    opened,
    put,
    settle,
    vector_of,
    wait_until,
)


def segment_file(path: Path) -> Path:
    (found,) = path.glob("libraries/*/segments/*")
    return found


def flip(place: Callable[[int], int]) -> Callable[[Path], None]:
    def damage(file: Path) -> None:
        content = bytearray(file.read_bytes())
        content[place(len(content))] ^= 0x55
        file.write_bytes(content)

    return damage


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


def swap_with_foreign(file: Path) -> None:
    file.write_bytes(b"not a segment" * 100)


def test_a_restart_finds_everything_equal(tmp_path: Path) -> None:
    digest, answer = make(tmp_path)
    with opened(tmp_path) as repository:
        library = repository.get("library")
        view = library.view()
        assert (library.store.digest(view.position), neighbours(library, vector_of(-1 % 2**32))) == (digest, answer)
        assert (view.library.chunk_count, len(view.fresh)) == (len(EXPECTED), WRITTEN - SEALED)
        assert view.segments[0].dead_count == 100
        assert_finds(library, EXPECTED)
        settle(repository, library)
        assert_finds(library, EXPECTED)
    with opened(tmp_path) as repository:
        assert_finds(repository.get("library"), EXPECTED)


def test_conditions_on_documents_pass_over_rows_whose_document_is_forgotten(tmp_path: Path) -> None:
    """After a restart the newest document is not known any more, but a segment still holds its dead chunk."""
    with opened(tmp_path) as repository:
        library, _ = repository.create(creation())
        library.submit(batch(put(1, "kept"), put(2, "last")))
        job = repository.housekeeping.rebuild(library)
        wait_until(lambda: repository.jobs.get(job.id).done == job.total, "the rebuild ends")
        library.submit(batch(DeleteDocument("last")))
    with opened(tmp_path) as repository:
        library = repository.get("library")
        for condition, count in (({"doc.id": "kept"}, 1), ({"doc.id": {"ne": "kept"}}, 0)):
            assert allowed_rows(library.view(), parse_filter(condition), library.texts).count == count
        library.submit(batch(DeleteDocument("kept")))
    with opened(tmp_path) as repository:
        library = repository.get("library")
        assert allowed_rows(library.view(), parse_filter({"doc.id": "kept"}), library.texts).count == 0


@pytest.mark.parametrize("kind", [IndexKind.GRAPH, IndexKind.FLAT])
@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(Path.unlink, id="deleted"),
        pytest.param(cut, id="truncated"),
        pytest.param(lambda file: file.write_bytes(b""), id="emptied"),
        pytest.param(swap_with_foreign, id="foreign"),
        pytest.param(flip(lambda size: 3), id="flip in the magic"),
        pytest.param(flip(lambda size: 8), id="flip in the format version"),
        pytest.param(flip(lambda size: 60), id="flip in the header"),
    ],
)
def test_a_damaged_segment_file_loses_nothing(tmp_path: Path, damage: Callable[[Path], None], kind: IndexKind) -> None:
    digest, answer = make(tmp_path, kind)
    old = segment_file(tmp_path).name
    damage(segment_file(tmp_path))
    with opened(tmp_path) as repository:
        library = repository.get("library")
        assert_finds(library, EXPECTED)
        assert neighbours(library, vector_of(-1 % 2**32)) == answer
        settle(repository, library)
        assert segment_file(tmp_path).name != old
        assert [part.segment.index.kind for part in library.view().segments] == [kind.value]
        assert library.view().segments[0].dead_count == 0
        assert_finds(library, EXPECTED)
        assert library.store.digest(library.view().position) == digest
    with opened(tmp_path) as repository:
        assert_finds(repository.get("library"), EXPECTED)


@pytest.mark.parametrize("share", [0.3, 0.5, 0.9])
def test_a_flipped_byte_in_an_array_is_found_and_the_segment_rebuilt(tmp_path: Path, share: float) -> None:
    make(tmp_path, IndexKind.FLAT)
    old = segment_file(tmp_path).name
    flip(lambda size: int(size * share))(segment_file(tmp_path))
    with opened(tmp_path) as repository:
        library = repository.get("library")
        settle(repository, library)
        assert segment_file(tmp_path).name != old
        assert_finds(library, EXPECTED)


def test_a_damaged_segment_is_taken_out_of_service_before_it_is_rebuilt(tmp_path: Path) -> None:
    make(tmp_path, IndexKind.GRAPH)
    name = segment_file(tmp_path).name
    flip(lambda size: size // 2)(segment_file(tmp_path))
    repository = LibraryRepository.open(tmp_path)
    library = repository.get("library")
    serve_from_store(library, damaged_segments(library, lambda: False))
    (part,) = library.view().segments
    assert (part.segment.name, part.segment.file_bytes, part.segment.index.kind) == (name, 0, "flat")
    assert_finds(library, EXPECTED)
    repository.close()


def test_sound_segments_are_not_rebuilt(tmp_path: Path) -> None:
    make(tmp_path)
    old = segment_file(tmp_path)
    with opened(tmp_path) as repository:
        settle(repository, repository.get("library"))
        assert segment_file(tmp_path) == old


def test_files_that_no_record_names_are_removed(tmp_path: Path) -> None:
    make(tmp_path)
    left_over = segment_file(tmp_path).with_name("0-9-9-left")
    left_over.write_bytes(b"unfinished")
    with opened(tmp_path):
        assert not left_over.exists()


def test_libraries_are_separate(tmp_path: Path) -> None:
    with opened(tmp_path) as repository:
        first, second = (repository.create(creation(name))[0] for name in ("b", "a"))
        first.submit(batch(put(1)))
        second.submit(batch(put(2), put(3)))
        assert_finds(first, {1})
        assert_finds(second, {2, 3})
        assert [library.id for library in repository.all()] == ["a", "b"]


def test_a_deleted_library_leaves_memory_without_the_garbage_collector(tmp_path: Path) -> None:
    """Its rows may be most of what the process holds, and full collections are rare."""
    with opened(tmp_path) as repository:
        library = repository.create(creation("library"))[0]
        fill(library, range(SEALED))
        settle(repository, library)
        kept = [weakref.ref(library), weakref.ref(library.store), weakref.ref(library.collection)]
        gc.collect()
        gc.disable()
        try:
            repository.delete("library")
            del library
            wait_until(lambda: all(one() is None for one in kept), "the library leaves memory")
        finally:
            gc.enable()


def test_creation_is_judged_by_what_exists(tmp_path: Path) -> None:
    token = IdempotencyToken("key", "digest")
    with opened(tmp_path) as repository:
        made, new = repository.create(creation(token=token))
        assert new
        assert repository.create(creation(token=token)) == (made, False)
        with pytest.raises(IdempotencyKeyReused):
            repository.create(creation(token=IdempotencyToken("key", "other")))
        with pytest.raises(PreconditionFailed):
            repository.create(creation())
        with pytest.raises(PreconditionFailed):
            repository.create(creation("other"), Expectation(version=1))
    with opened(tmp_path) as repository:
        library, new = repository.create(creation(token=token))
        assert (library.id, new) == ("library", False)


def test_a_folder_has_one_owner(tmp_path: Path) -> None:
    with opened(tmp_path), pytest.raises(FolderInUse):
        LibraryRepository.open(tmp_path)
    with opened(tmp_path):
        pass


def test_a_copy_of_a_closed_folder_is_the_same_library(tmp_path: Path) -> None:
    digest, _ = make(tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    with opened(tmp_path / "two") as repository:
        library = repository.get("library")
        assert library.store.digest(library.view().position) == digest
