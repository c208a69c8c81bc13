"""Merges wait for the end of an import, as long as searches do not pay much for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from quiredb.domain.admission import MemoryBudget
from quiredb.domain.measures import Measures
from quiredb.engine.building import Progress
from quiredb.engine.merging import HELD_BACK_SEGMENTS
from quiredb.repositories import housekeeping
from quiredb.repositories.housekeeping import Housekeeping
from quiredb.repositories.jobs import JobRegistry
from quiredb.repositories.libraries import LibraryRepository
from quiredb.repositories.open_library import OpenLibrary
from quiredb.repositories.segments import seal
from tests.unit.repositories.libraries import batch, creation, delete, fill, put

ROWS = 300
UNWATCHED = Progress(lambda _: None, lambda: False)


class House:
    """A library of two segments that are due to be merged, and its housekeeping, whose threads do not run."""

    def __init__(self, library: OpenLibrary) -> None:
        self.now = 1_000.0
        self.housekeeping = Housekeeping(JobRegistry(), MemoryBudget.unlimited(), Measures(), lambda: self.now)
        self.library = library
        library._changed = self.housekeeping.changed
        for start in (0, ROWS):
            self.add(range(start, start + ROWS))

    def add(self, numbers: range) -> None:
        fill(self.library, numbers)
        seal(self.library, UNWATCHED)

    def merges(self) -> bool:
        """Whether looking at the library now has a merge done; if not, it shall be looked at again."""
        again = self.housekeeping._tidy(self.library)
        asked = bool(self.housekeeping.workers()[1].waiting())
        assert asked or again
        return asked


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    repository = LibraryRepository.open(tmp_path)
    yield House(repository.create(creation())[0])
    repository.close()


def test_a_merge_waits_until_nothing_was_committed_for_a_second(house: House) -> None:
    assert not house.merges()
    house.now += 0.9
    house.library.submit(batch(put(2 * ROWS)))
    house.now += 0.9
    assert not house.merges()
    house.now += 0.1
    assert house.merges()


def test_a_refused_command_is_no_commit(house: House) -> None:
    house.now += 1
    house.housekeeping.changed(house.library, [])
    assert house.merges()


def test_a_library_of_many_segments_is_merged_whatever_comes_in(house: House) -> None:
    for number in range(2, HELD_BACK_SEGMENTS):
        assert not house.merges()
        house.add(range(number * ROWS, number * ROWS + 20))
    assert len(house.library.view().segments) == HELD_BACK_SEGMENTS
    assert house.merges()


def test_dead_rows_are_rewritten_away_whatever_comes_in(house: House) -> None:
    house.library.submit(batch(*map(delete, range(260))))
    assert house.merges()


def test_a_damaged_segment_is_rebuilt_whatever_comes_in(house: House) -> None:
    house.library.damaged.add(house.library.view().segments[0].segment.name)
    assert house.merges()


def test_after_a_repair_a_merge_that_changes_nothing_is_a_bug_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.library.damaged.add(house.library.view().segments[0].segment.name)
    assert house.merges()
    (task,) = house.housekeeping.workers()[1].waiting()
    house.housekeeping._perform(task)
    assert not house.library.damaged
    monkeypatch.setattr(housekeeping, "merge", lambda *_: None)
    with pytest.raises(AssertionError, match="changed nothing"):
        house.housekeeping._perform(task)
