"""Identifiers: the caller's strings, and ours."""

from __future__ import annotations

import time
import uuid

import pytest

from quiredb.domain.errors import ValidationFailed
from quiredb.domain.identifiers import check_identifier, is_identifier, new_identifier
from quiredb.domain.limits import ID_CHARACTERS_MAX


@pytest.mark.parametrize("value", ["a", "A9", "a.b", "...", "a_b-c:d~e", "x" * ID_CHARACTERS_MAX])
def test_identifiers(value: str) -> None:
    assert is_identifier(value)
    assert check_identifier(value, "/id") == value


@pytest.mark.parametrize(
    "value", ["", ".", "..", "a b", "a/b", "a\n", "é", "x" * (ID_CHARACTERS_MAX + 1), "a%2fb", "١"]
)
def test_what_is_no_identifier(value: str) -> None:
    with pytest.raises(ValidationFailed) as caught:
        check_identifier(value, "/chunks/3/id")
    assert caught.value.violations[0].pointer == "/chunks/3/id"
    assert caught.value.violations[0].code == "identifier"


def test_new_identifiers_are_uuids_of_version_7() -> None:
    before = time.time_ns() // 1_000_000
    identifier = new_identifier()
    after = time.time_ns() // 1_000_000
    parsed = uuid.UUID(identifier)
    assert (parsed.version, parsed.variant) == (7, uuid.RFC_4122)
    assert str(parsed) == identifier
    assert before <= parsed.int >> 80 <= after
    assert is_identifier(identifier)


def test_new_identifiers_sort_by_age(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    for milliseconds in (1, 1_000, 1_700_000_000_000, 1_700_000_000_001, 2**47, 2**48 - 1):
        monkeypatch.setattr(time, "time_ns", lambda at=milliseconds: at * 1_000_000)
        made.append(new_identifier())
    assert made == sorted(made)


def test_new_identifiers_differ() -> None:
    assert len({new_identifier() for _ in range(1_000)}) == 1_000
