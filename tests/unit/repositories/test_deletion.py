"""Libraries that cannot be opened, and libraries that go."""

from __future__ import annotations

from pathlib import Path

import pytest

from quiredb.domain.commands import Expectation
from quiredb.domain.errors import (
    DataDamaged,
    NotFound,
    PreconditionFailed,
    StorageFailed,
)
from quiredb.repositories.open_library import OpenLibrary
from quiredb.storage.library_store import LibraryStore
from tests.unit.repositories.libraries import (
    EXPECTED,
    assert_finds,
    creation,
    fill,
    make,
    opened,
)


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


def test_a_library_made_again_begins_behind_the_positions_of_the_first(tmp_path: Path) -> None:
    with opened(tmp_path) as repository:
        library, _ = repository.create(creation())
        fill(library, range(3))
        last = library.view().position
        repository.delete("library")
    with opened(tmp_path) as repository:
        again, _ = repository.create(creation())
        assert (again.view().position, again.view().library.version) == (last + 1, last + 1)
        fill(again, range(1))
        assert again.view().position == last + 2
        assert repository.create(creation("other"))[0].view().position == 0


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
