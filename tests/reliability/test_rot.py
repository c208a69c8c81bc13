"""Damage in any file is refused and named, repaired, or harmless; it is never read as data."""

from __future__ import annotations

import pytest

from reliability import folder_edits, rot

DRAWN = 1_200


def test_damaged_bytes_are_never_read_as_data() -> None:
    record = rot.run(DRAWN, seed=1)
    assert record.violations == []
    assert record.counts[rot.DETECTED] > DRAWN / 5
    assert record.counts[rot.HARMLESS] > DRAWN / 5
    # One commit of four is the last of its log; and cuts are a tenth of all damage.
    assert 0 < record.counts[rot.LAST_COMMIT] < DRAWN / 20
    assert record.counts[rot.SHORTER] < DRAWN / 20


@pytest.mark.parametrize("bug", rot.BUGS)
def test_a_planted_bug_is_seen(bug: str) -> None:
    assert rot.catch(bug, seed=1) is not None


def test_edits_of_a_folder_come_to_what_is_promised() -> None:
    assert folder_edits.run(0, seed=1).violations == []


@pytest.mark.parametrize("bug", folder_edits.BUGS)
def test_a_planted_bug_is_seen_in_an_edited_folder(bug: str) -> None:
    assert folder_edits.catch(bug, seed=1) is not None


@pytest.mark.deep
@pytest.mark.timeout(5_400)
def test_every_bit_of_every_byte() -> None:
    assert rot.run(0, seed=1, bits=8).violations == []
