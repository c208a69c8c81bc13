"""Errors carry what the contract says about them."""

from __future__ import annotations

import pytest

from quiredb.domain import errors
from quiredb.domain.errors import EmbeddingFailed, NotFound, QuireError, ReplicaBehind, ValidationFailed, Violation


def every(kind: type[QuireError]) -> set[type[QuireError]]:
    return {kind}.union(*(every(child) for child in kind.__subclasses__() if child.__module__ == errors.__name__))


def test_one_violation_speaks_for_itself() -> None:
    error = ValidationFailed.at("/id", "identifier", "Bad id.")
    assert (error.detail, error.violations) == ("Bad id.", (Violation("/id", "identifier", "Bad id."),))


def test_several_violations_are_counted() -> None:
    error = ValidationFailed((Violation("/a", "x", "A."), Violation("/b", "y", "B.")))
    assert (error.detail, len(error.violations)) == ("2 problems", 2)


def test_not_found_names_what() -> None:
    error = NotFound("chunk", "c1")
    assert (error.resource, error.identifier, error.detail) == ("chunk", "c1", "There is no chunk 'c1'.")


def test_codes_are_words_and_differ() -> None:
    codes = [kind.code for kind in every(QuireError)]
    assert len(set(codes)) == len(codes) == 20
    assert all(code == code.lower().replace("_", "-") for code in codes)


@pytest.mark.parametrize(("error", "retryable"), [(ReplicaBehind("x"), True), (NotFound("a", "b"), False)])
def test_retryable(error: QuireError, retryable: bool) -> None:
    assert error.retryable is retryable


def test_embedding_failures_know_whether_to_retry() -> None:
    assert EmbeddingFailed("busy", retryable=True).retryable
    assert not EmbeddingFailed("refused").retryable
