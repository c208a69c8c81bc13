"""Power losses at random steps of the disk; a planted bug shows that they would be seen."""

from __future__ import annotations

import pytest

from reliability import power
from reliability.disk.medium import Medium, Named


def test_power_losses_lose_nothing_that_was_acknowledged() -> None:
    record = power.run(count=150, seed=3)

    assert list(record.violations) == []
    assert record.counts["power losses"] == 150


@pytest.mark.parametrize("bug", power.BUGS)
def test_a_planted_bug_is_seen(bug: str) -> None:
    assert power.catch(bug, seed=1) is not None


@pytest.mark.deep
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("seed", [101, 102])
def test_a_thousand_power_losses_lose_nothing(seed: int) -> None:
    assert list(power.run(count=1_000, seed=seed).violations) == []


def test_a_removed_file_keeps_its_number_for_it_may_come_back() -> None:
    medium = Medium()
    medium.do(Named(".", (("old", 1),)))
    medium.do(Named(".", (("removed", 2),)))
    medium.do(Named(".", (("removed", None),)))
    assert medium.numbers() == {"old": 1}
    assert medium.last_number() == 2
