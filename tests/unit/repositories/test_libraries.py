"""A data folder with libraries: restart, damage, deletion, creation."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from quiredb.domain.commands import DeleteDocument, Expectation, IdempotencyToken
from quiredb.domain.errors import (
    DataDamaged,
    FolderInUse,
    IdempotencyKeyReused,
    NotFound,
    PreconditionFailed,
    StorageFailed,
)
from quiredb.domain.filter_parsing import parse_filter
from quiredb.domain.library import IndexKind
from quiredb.engine.view import allowed_rows
from quiredb.repositories.libraries import LibraryRepository
from quiredb.repositories.open_library import OpenLibrary
from quiredb.repositories.segments import damaged_segments, serve_from_store
from quiredb.storage.library_store import LibraryStore
from tests.unit.repositories.libraries import (
    assert_finds,
    batch,
    creation,
    delete,
    fill,
    neighbours,
    opened,
    put,
    settle,
    vector_of,
    wait_until,
)

SEALED, WRITTEN = 1_500, 1_800
EXPECTED = set(range(100, WRITTEN))


def make(path: Path, kind: IndexKind = IndexKind.GRAPH) -> tuple[str, list[str]]:
    """A closed folder with a library in a segment with dead rows and a fresh buffer; its digest and an answer."""
    with opened(path) as repository:
        library, _ = repository.create(creation(kind=kind))
        fill(library, range(SEALED))
        job = repository.housekeeping.rebuild(library)
        wait_until(lambda: repository.jobs.get(job.id).done == job.total, "the rebuild ends")
        fill(library, range(SEALED, WRITTEN))
        library.submit(batch(*map(delete, range(100))))
        assert len(library.view().segments) == 1
        return library.store.digest(library.view().position), neighbours(library, vector_of(-1 % 2**32))


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


def test_a_damaged_library_is_named_while_others_serve(tmp_path: Path) -> None:
    with opened(tmp_path) as repository:
        for name in ("good", "bad"):
            library, _ = repository.create(creation(name))
            fill(library, range(10))
        bad = tmp_path / "libraries" / repository.folder.catalogue.entries()["bad"] / "library.sqlite"
    bad.write_bytes(b"x" * 4096)
    with opened(tmp_path) as repository:
        assert set(repository.damaged) == {"bad"}
        with pytest.raises(DataDamaged):
            repository.get("bad")
        with pytest.raises(PreconditionFailed):
            repository.create(creation("bad"))
        assert [library.id for library in repository.all()] == ["good"]
        assert_finds(repository.get("good"), set(range(10)))


def test_a_damaged_library_can_be_deleted_and_made_again(tmp_path: Path) -> None:
    with opened(tmp_path) as repository:
        repository.create(creation("bad"))
        bad = tmp_path / "libraries" / repository.folder.catalogue.entries()["bad"] / "library.sqlite"
    bad.write_bytes(b"x" * 4096)
    with opened(tmp_path) as repository:
        repository.delete("bad")
        assert repository.damaged == {}
        assert not bad.exists()
        library, new = repository.create(creation("bad"))
        fill(library, range(3))
        assert new
        assert_finds(library, set(range(3)))


def test_deleting_a_library_removes_its_files(tmp_path: Path) -> None:
    make(tmp_path)
    with opened(tmp_path) as repository:
        library = repository.get("library")
        with pytest.raises(PreconditionFailed):
            repository.delete("library", Expectation(version=99))
        assert_finds(library, EXPECTED)
        repository.delete("library")
        assert list((tmp_path / "libraries").iterdir()) == []
        for gone in (repository.get, repository.delete):
            with pytest.raises(NotFound):
                gone("library")
        repository.create(creation())
        assert_finds(repository.get("library"), set())
    with opened(tmp_path) as repository:
        assert_finds(repository.get("library"), set())


def test_a_library_may_go_while_it_is_looked_up(tmp_path: Path) -> None:
    class Vanishing(dict[str, OpenLibrary]):
        def __contains__(self, key: object) -> bool:
            found = super().__contains__(key)
            self.pop(str(key), None)
            return found

    with opened(tmp_path) as repository:
        library, _ = repository.create(creation())
        repository._libraries = Vanishing(repository._libraries)
        assert repository.get("library") is library
        repository._libraries = {"library": library}


def test_a_library_whose_files_do_not_close_is_gone_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(store: LibraryStore) -> None:
        raise StorageFailed("the disk is gone")

    with opened(tmp_path) as repository:
        repository.create(creation())
        with monkeypatch.context() as patched:
            patched.setattr(LibraryStore, "close", fails)
            with pytest.raises(StorageFailed):
                repository.delete("library")
        with pytest.raises(NotFound):
            repository.get("library")
        repository.create(creation())


def test_libraries_are_separate(tmp_path: Path) -> None:
    with opened(tmp_path) as repository:
        first, second = (repository.create(creation(name))[0] for name in ("b", "a"))
        first.submit(batch(put(1)))
        second.submit(batch(put(2), put(3)))
        assert_finds(first, {1})
        assert_finds(second, {2, 3})
        assert [library.id for library in repository.all()] == ["a", "b"]


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
