"""RELIABILITY.md says what the saved records say, of every fault, and the records reach what was set out for."""

from __future__ import annotations

import pytest

from reliability.promises import PROMISES
from reliability.records import RESULTS, Record
from reliability.report import PAGE, page_with_tables

FAULTS = [f"F{number}" for number in (*range(1, 16), 21, 22, 24, 25)]
LEAST = {
    ("kills", "kills"): 1_000,
    ("calls", "failed calls"): 2_000,
    ("power", "power losses"): 2_000,
    ("histories", "histories"): 100,
    ("model", "steps"): 100_000,
    ("api", "cases"): 10_000,
    ("inputs", "rows"): 60,
}
RIGS = {evidence.rig for promise in PROMISES for evidence in promise.evidence}
SAVED = sorted(path.stem for path in RESULTS.glob("*.json"))


def test_the_page_is_as_the_records_are() -> None:
    page = PAGE.read_text()
    assert page_with_tables(page) == page, "run: python -m reliability.report"


def test_every_fault_of_one_machine_has_a_row() -> None:
    assert set(FAULTS) <= {promise.fault for promise in PROMISES}


def test_every_record_is_told() -> None:
    assert set(SAVED) <= RIGS


@pytest.mark.parametrize("rig", SAVED)
def test_every_planted_bug_is_told_beside_the_promise_that_it_breaks(rig: str) -> None:
    told = {bug for promise in PROMISES for one in promise.evidence if one.rig == rig for bug in one.bugs}
    assert told == Record.load(RESULTS / f"{rig}.json").planted.keys()


@pytest.mark.parametrize("rig", SAVED)
def test_a_record_is_clean_and_its_planted_bugs_were_seen(rig: str) -> None:
    record = Record.load(RESULTS / f"{rig}.json")
    assert record.is_clean
    assert "NOT SEEN" not in record.planted.values()


@pytest.mark.parametrize(("rig", "counted"), [least for least in LEAST if least[0] in SAVED])
def test_the_least_counts_are_reached(rig: str, counted: str) -> None:
    assert Record.load(RESULTS / f"{rig}.json").counts[counted] >= LEAST[rig, counted]
