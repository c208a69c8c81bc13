"""Backups under load, edited, hostile, and killed at every step; and the bugs that the rig must see."""

from __future__ import annotations

import pytest

from reliability import backups
from reliability.archives.hostile import HARMLESS, TAMPERED


@pytest.mark.parametrize("phase", backups.PHASES)
def test_a_backup_is_what_was_there_or_refused(phase: str) -> None:
    found = backups.run_phase(phase, seed=1)

    assert found.violations == []
    assert sum(found.counts.values()) >= 10


def test_at_least_twenty_five_hostile_backups_are_tried() -> None:
    assert len(TAMPERED) + len(HARMLESS) >= 25


@pytest.mark.parametrize("bug", backups.BUGS)
def test_a_planted_bug_is_seen(bug: str) -> None:
    assert backups.catch(bug, seed=1) is not None


@pytest.mark.deep
@pytest.mark.timeout(1_800)
def test_all_of_it() -> None:
    assert backups.run(backups.COUNT, seed=1).violations == []
