"""Which requests the event loop keeps, told what they took."""

from __future__ import annotations

from quiredb.api.pace import CAUTION, QUICK_SECONDS, Pace

QUICK, SLOW = QUICK_SECONDS / 2, 100 * QUICK_SECONDS


def asked_until_quick(pace: Pace, seconds: float, at_most: int) -> int | None:
    """How many requests of the kind "a", each taking a thread so long, go by until one may stay on the loop."""
    for number in range(at_most):
        if pace.is_quick("a"):
            return number
        pace.took_thread("a", seconds)
    return None


def test_nothing_is_quick_before_it_was_measured() -> None:
    pace = Pace()
    assert not pace.is_quick("a")
    pace.took_thread("a", QUICK)
    assert pace.is_quick("a")
    assert not pace.is_quick("b")


def test_slow_ones_stay_in_threads() -> None:
    assert asked_until_quick(Pace(), SLOW, 1000) is None
    assert asked_until_quick(Pace(), 1.01 * QUICK_SECONDS, 1000) is None


def test_a_first_one_that_was_slow_is_soon_forgotten() -> None:
    pace = Pace()
    pace.took_thread("a", SLOW)
    found = asked_until_quick(pace, QUICK, 1000)
    assert found is not None
    assert 1 < found < 20


def test_one_that_waited_for_the_processor_changes_nothing() -> None:
    pace = Pace()
    pace.took_thread("a", QUICK)
    for _ in range(20):
        for _ in range(19):
            assert pace.is_quick("a")
            pace.took_loop("a", QUICK)
        pace.took_loop("a", SLOW)


def test_a_kind_that_waits_for_the_disk_leaves_the_loop() -> None:
    """In threads it takes little of the processor, so that it seems quick again and again."""
    pace, on_loop = Pace(), 0
    pace.took_thread("a", QUICK)
    for _ in range(100 * CAUTION):
        if pace.is_quick("a"):
            on_loop += 1
            pace.took_loop("a", SLOW)
        else:
            pace.took_thread("a", QUICK)
    assert 0 < on_loop < 500
    assert pace.is_quick("b") is False


def test_kinds_are_forgotten_when_there_are_too_many() -> None:
    pace = Pace()
    for number in range(5000):
        pace.took_thread(number, QUICK)
    assert pace.is_quick(4999)
    assert not pace.is_quick(0)
