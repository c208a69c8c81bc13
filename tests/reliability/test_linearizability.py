"""The checker of histories accepts what has an order and refuses what has none."""

from __future__ import annotations

import math

import pytest

from reliability.histories import PLANTED_HISTORIES, faults_found
from reliability.history.faults import FAULTS
from reliability.history.linearizability import Operation, explain, groups


def put(value: str, called: float, returned: float, key: str = "a") -> Operation:
    return Operation(0, called, returned, writes={key: value})


def read(value: str | None, called: float, returned: float, key: str = "a") -> Operation:
    return Operation(1, called, returned, saw={key: value})


def cut(value: str | None, called: float) -> Operation:
    return Operation(2, called, writes={"a": value}, took_effect=None)


@pytest.mark.parametrize(
    "history",
    [
        [put("1", 0, 1), read("1", 2, 3)],
        [put("1", 0, 3), read(None, 1, 2)],
        [put("1", 0, 3), read("1", 1, 2)],
        [cut("1", 0), read(None, 2, 3), read("1", 4, 5)],
        [put("1", 0, 1), cut(None, 2), read(None, 3, 4), put("2", 5, 6), read("2", 7, 8)],
        [put("1", 0, 1), cut(None, 2), put("2", 5, 6), read(None, 7, 8)],
        [put("1", 0, 5), put("2", 0, 5), read("1", 1, 2), read("2", 3, 4)],
        [put("1", 0, 1), Operation(0, 2, 3, writes={"a": "2"}, needs={"a": "0"}, took_effect=False), read("1", 4, 5)],
        [Operation(0, 0, 2, writes={"a": "1", "b": "1"}), Operation(1, 1, 3, saw={"a": "1", "b": "1"})],
    ],
)
def test_what_has_an_order_is_accepted(history: list[Operation]) -> None:
    assert explain(history) is None


@pytest.mark.parametrize(
    "history",
    [
        [put("1", 0, 1), read(None, 2, 3)],
        [put("1", 0, 1), put("2", 2, 3), read("1", 4, 5)],
        [put("1", 0, 5), read("1", 1, 2), read(None, 3, 4)],
        [cut("1", 0), read("1", 2, 3), read(None, 4, 5)],
        [cut("1", 4), read("1", 2, 3)],
        [put("1", 0, 5), put("2", 0, 5), read("1", 1, 2), read("2", 3, 4), read("1", 4.2, 4.5)],
        [put("1", 0, 1), Operation(0, 2, 3, writes={"a": "2"}, needs={"a": "1"}, took_effect=False)],
        [put("1", 0, 1), Operation(0, 2, 3, writes={"a": "2"}, needs={"a": "0"})],
        [Operation(0, 0, 1, writes={"a": None}, forbids={"a": None})],
        [Operation(0, 0, 2, writes={"a": "1", "b": "1"}), Operation(1, 1, 3, saw={"a": "1", "b": None})],
    ],
)
def test_what_has_no_order_is_refused(history: list[Operation]) -> None:
    assert explain(history) is not None


def test_keys_that_one_operation_touches_are_judged_together() -> None:
    history = [put("1", 0, 1, "a"), put("1", 0, 1, "b"), put("1", 0, 1, "c")]
    assert sorted(map(len, groups(history))) == [1, 1, 1]
    history.append(Operation(0, 2, 3, writes={"a": "2", "c": "2"}))
    history.append(put("3", 4, 5, "c"))
    assert sorted(map(len, groups(history))) == [1, 4]


def test_an_operation_that_nobody_heard_of_again_may_wait_for_ever() -> None:
    assert explain([cut("1", 0), read(None, 1, math.inf)]) is None


@pytest.mark.parametrize("fault", list(FAULTS))
def test_every_planted_fault_is_found(fault: str) -> None:
    assert faults_found(fault, seed=1) == PLANTED_HISTORIES
