"""A memory budget and places in a queue: admitted while there is room, refused beyond, given back."""

from __future__ import annotations

import pytest

from quiredb.domain.admission import MemoryBudget, Places
from quiredb.domain.errors import Overloaded

MEBIBYTE = 1024 * 1024


class Process:
    """A process that holds some memory, and a clock."""

    def __init__(self) -> None:
        self.held = 0
        self.now = 0.0

    def budget(self, limit: int | None) -> MemoryBudget:
        return MemoryBudget(limit, lambda: self.held, lambda: self.now)


def test_reserved_bytes_count_beside_those_held() -> None:
    process = Process()
    process.held = 40
    budget = process.budget(100)
    with budget.reserve(50) as first:
        with pytest.raises(Overloaded):
            budget.reserve(11)
        with budget.reserve(10):
            assert budget.reserved == 60
            with pytest.raises(Overloaded):
                first.grow(1)
        first.grow(5)
        assert budget.reserved == 55
    assert budget.reserved == 0


def test_a_refusal_gives_nothing_away() -> None:
    budget = Process().budget(100)
    with pytest.raises(Overloaded), budget.reserve(90) as reservation:
        reservation.grow(20)
    assert budget.reserved == 0


def test_what_is_held_is_measured_again_after_a_moment() -> None:
    process = Process()
    budget = process.budget(100)
    assert not budget.is_exhausted()
    process.held = 101
    assert not budget.is_exhausted()
    process.now = 1.0
    assert budget.is_exhausted()
    with pytest.raises(Overloaded, match="--memory-limit"):
        budget.require_room()


def test_without_a_limit_everything_is_admitted() -> None:
    process = Process()
    process.held = 2**60
    budget = process.budget(None)
    budget.require_room()
    with budget.reserve(2**60):
        assert budget.reserved == 0


def test_places_are_taken_and_given_back() -> None:
    places = Places(2, "writes")
    with places.one(), places.one():
        with pytest.raises(Overloaded, match="2 writes"), places.one():
            pass
        assert places.taken == 2
    assert places.taken == 0
    with pytest.raises(ZeroDivisionError), places.one():
        raise ZeroDivisionError
    assert places.taken == 0
