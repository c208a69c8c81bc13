"""Read-modify-write: retried for those who expect nothing, told at once to those who do."""

from __future__ import annotations

import pytest

from quiredb.domain.commands import ANY_STATE, Expectation
from quiredb.domain.errors import Conflict, NotFound, PreconditionFailed
from quiredb.domain.retrying import exactly, retry_unless_expected


class Contended:
    """Fails with a precondition so many times, then answers."""

    def __init__(self, failures: int) -> None:
        self.left = failures
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.left:
            self.left -= 1
            raise PreconditionFailed("moved on")
        return "done"


@pytest.mark.parametrize("failures", [0, 1, 15])
def test_tries_until_it_holds(failures: int) -> None:
    attempt = Contended(failures)
    assert retry_unless_expected(ANY_STATE, attempt) == "done"
    assert attempt.calls == failures + 1


def test_gives_up_with_a_conflict() -> None:
    with pytest.raises(Conflict):
        retry_unless_expected(ANY_STATE, Contended(1_000))


@pytest.mark.parametrize("expected", [Expectation(version=3), Expectation(absent=True)])
def test_a_caller_with_expectations_is_told_at_once(expected: Expectation) -> None:
    attempt = Contended(1)
    with pytest.raises(PreconditionFailed):
        retry_unless_expected(expected, attempt)
    assert attempt.calls == 1


def test_other_errors_pass() -> None:
    def missing() -> None:
        raise NotFound("chunk", "c")

    with pytest.raises(NotFound):
        retry_unless_expected(ANY_STATE, missing)


def test_exactly() -> None:
    assert exactly(ANY_STATE, 4) == Expectation(version=4)
    assert exactly(Expectation(version=2), 4) == Expectation(version=2)
    assert exactly(Expectation(absent=True), 4) == Expectation(absent=True)
