"""Audits run when nothing else is to be done, and take little of a processor."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from quiredb.domain.library import IndexKind
from quiredb.repositories import housekeeping as housekeeping_module
from quiredb.repositories.auditing import audit_next
from quiredb.repositories.housekeeping import Housekeeping, _Build
from quiredb.repositories.libraries import LibraryRepository
from quiredb.repositories.open_library import OpenLibrary
from tests.unit.repositories.audited import filled, normal, search


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[LibraryRepository]:
    """Every search is recorded; background work is driven by the tests."""
    opened = LibraryRepository.open(tmp_path, audit_share=1.0)
    yield opened
    opened.close()


class Clock:
    """Time as the audit sees it; each search that is repeated takes 15 ms of the processor."""

    def __init__(self) -> None:
        self.now, self.used, self.audited = 100.0, 0.0, 0

    def monotonic(self) -> float:
        return self.now

    def thread_time(self) -> float:
        return self.used

    def audit_next(self, library: OpenLibrary) -> None:
        self.used += 0.015
        self.audited += 1
        audit_next(library)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(housekeeping_module, "time", made)
    monkeypatch.setattr(housekeeping_module, "audit_next", made.audit_next)
    return made


def slice_of_audit(housekeeping: Housekeeping, library: OpenLibrary) -> bool:
    return housekeeping._perform(_Build(library, audits=True))


def test_audits_take_a_small_share_of_a_processor(repository: LibraryRepository, clock: Clock) -> None:
    library = filled(repository, IndexKind.FLAT)
    slow_worker(repository.housekeeping)
    search(library, normal(5, seed=2))
    assert slice_of_audit(repository.housekeeping, library), "there is more to do"
    assert clock.audited == 2
    clock.now += 0.03 / 0.04 - 0.01
    assert slice_of_audit(repository.housekeeping, library)
    assert clock.audited == 2
    clock.now += 0.02
    assert slice_of_audit(repository.housekeeping, library)
    assert clock.audited == 4
    clock.now += 1
    assert not slice_of_audit(repository.housekeeping, library)
    assert clock.audited == 5


def test_audits_wait_for_all_other_work(repository: LibraryRepository, clock: Clock) -> None:
    library = filled(repository, IndexKind.FLAT)
    slow_worker(repository.housekeeping)
    search(library, normal(1, seed=2))
    repository.housekeeping.rebuild(library)
    assert slice_of_audit(repository.housekeeping, library)
    assert clock.audited == 0
    slow_worker(repository.housekeeping)
    clock.now += 1
    assert not slice_of_audit(repository.housekeeping, library)
    assert clock.audited == 1


def slow_worker(housekeeping: Housekeeping) -> None:
    """Do what waits but for audits, as the slow worker would; what comes of it is done."""
    for task in housekeeping._slow.waiting():
        if not task.audits:
            housekeeping._perform(task)
        del housekeeping._slow._ready[task]
