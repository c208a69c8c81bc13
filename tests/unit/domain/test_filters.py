"""What filters mean, by tables written by hand."""

from __future__ import annotations

from typing import Any

import pytest

from quiredb.domain.errors import ValidationFailed
from quiredb.domain.filter_fields import Field, Scope, chunk_value, document_value
from quiredb.domain.filter_parsing import parse_filter
from quiredb.domain.filters import check_attribute_kinds, conditions, matches
from quiredb.domain.metadata import Kind, typed
from quiredb.domain.times import parse_instant
from tests.unit.engine.rows import chunk_of, document_of

VALUE = "attributes.value"


def holds(condition: Any, value: Any) -> bool:
    """Whether an attribute with this value (None: missing) satisfies the condition."""
    seen = None if value is None else typed(value)
    return matches(parse_filter({VALUE: condition}), lambda _: seen)


@pytest.mark.parametrize(
    ("condition", "true_of", "false_of"),
    [
        (3, [3, 3.0], [4, "3", True, None, ("3",)]),
        (1, [1, 1.0], [True, None]),
        (True, [True], [1, 1.0, False, "true", None]),
        ("a", ["a"], ["A", "ab", "", ("a",), None]),
        ("", [""], ["a", None]),
        ("2026-01-01T00:00:00Z", ["2026-01-01T01:00:00+01:00", "2025-12-31t23:00:00.000-01:00"], ["2026-01-01", None]),
        ({"ne": 3}, [4, "3", True, None, ("3",)], [3, 3.0]),
        ({"in": [1, "a", True]}, [1, 1.0, "a", True], [2, "b", False, None, ("a",)]),
        ({"in": []}, [], [1, "a", None]),
        ({"nin": [1, "a"]}, [2, "b", True, None, ("a",)], [1, 1.0, "a"]),
        ({"nin": []}, [1, "a", None], []),
        ({"gt": 3}, [3.5, 4], [3, 2, "4", True, None]),
        ({"gte": 3}, [3, 3.0, 4], [2, None]),
        ({"lt": 3}, [2, -1], [3, False, None]),
        ({"lte": 3}, [3, 2.5], [3.5, None]),
        ({"gt": "b"}, ["c", "ba", "é", "\U0001f600"], ["b", "a", "B", 3, None]),
        ({"lt": "\uffff"}, ["\ufffe", "a"], ["\U00010000", "\uffff"]),
        ({"gt": "2026-01-01T00:00:00Z"}, ["2026-01-01T00:00:00.000001Z"], ["2026-01-01T00:59:59+01:00", "zzz", None]),
        ({"between": [1, 3]}, [1, 2, 3], [0.5, 3.5, "2", True, None]),
        ({"between": [3, 1]}, [], [1, 2, 3]),
        ({"between": ["b", "d"]}, ["b", "cc", "d"], ["a", "da", 3, None]),
        ({"between": [1, "d"]}, [], [1, "b", None]),
        ({"contains": "bc"}, ["abcd", "bc", ("bc", "x")], ["ab", "BC", ("abcd",), 5, None]),
        ({"contains": ""}, ["", "a", ("",)], [("a",), 5, None]),
        ({"icontains": "STRASSE"}, ["hauptstraße", "Strasse", ("straße",)], ["stras", ("hauptstraße",), None]),
        ({"starts_with": "ab"}, ["ab", "abc"], ["xab", "a", ("ab",), 5, None]),
        ({"ends_with": "ab"}, ["ab", "cab"], ["abx", ("ab",), 5, None]),
        ({"contains_any": ["a", "z"]}, ["cat", "z", ("a",), ("q", "z")], ["dog", ("cat",), 5, None]),
        ({"contains_any": []}, [], ["a", ("a",), 5, None]),
        ({"contains_all": ["a", "t"]}, ["cat", ("t", "a", "x")], ["car", ("a",), ("cat",), 5, None]),
        ({"contains_all": []}, ["", "a", ("a",)], [5, True, "2026-01-01T00:00:00Z", None]),
        ({"contains": "2026"}, ["in 2026"], ["2026-01-01T00:00:00Z"]),
        ({"exists": True}, ["", 0, False, ("a",)], [None]),
        ({"exists": False}, [None], ["", 0, False]),
    ],
)
def test_conditions(condition: Any, true_of: list[Any], false_of: list[Any]) -> None:
    assert [value for value in true_of if not holds(condition, value)] == []
    assert [value for value in false_of if holds(condition, value)] == []


@pytest.mark.parametrize(
    ("filter_", "expected"),
    [
        ({}, True),
        ({"not": {}}, False),
        ({"page": 3, "name": "a"}, True),
        ({"page": 3, "name": "b"}, False),
        ({"or": [{"page": 9}, {"name": "a"}]}, True),
        ({"or": [{"page": 9}, {"name": "b"}]}, False),
        ({"not": {"page": 9}}, True),
        ({"not": {"section": "s"}}, True),
        ({"section": "s"}, False),
        ({"section": {"ne": "s"}}, True),
        ({"and": [{"page": {"gt": 2}}, {"not": {"page": {"gt": 3}}}]}, True),
    ],
)
def test_connectives(filter_: Any, expected: bool) -> None:
    values = {"page": 3, "name": "a"}
    assert matches(parse_filter(filter_), lambda field: values.get(field.name)) is expected


def test_values_of_a_chunk() -> None:
    chunk = chunk_of(7, {"page": 2, "tags": (), "attributes": {"list": (), "when": "2026-01-01T00:00:00Z", "n": 0}})
    expected = {
        "id": "chunk-00007",
        "document_id": "document-0",
        "position": 7,
        "text": "text 7",
        "created_at": chunk.created_at,
        "updated_at": chunk.updated_at,
        "page": 2,
        "name": None,
        "tags": None,
        "attributes.list": None,
        "attributes.when": parse_instant("2026-01-01T00:00:00Z"),
        "attributes.n": 0,
        "attributes.other": None,
    }
    assert {name: chunk_value(chunk, Field(Scope.CHUNK, name)) for name in expected} == expected


def test_values_of_a_document() -> None:
    document = document_of(3, {"title": "t", "tags": ("a",), "attributes": {"n": 1.5}})
    expected = {
        "id": "document-3",
        "title": "t",
        "author": None,
        "published_at": None,
        "tags": ("a",),
        "attributes.n": 1.5,
        "created_at": document.created_at,
    }
    assert {name: document_value(document, Field(Scope.DOCUMENT, name)) for name in expected} == expected


def kinds_refused(condition: Any, *kinds: Kind) -> bool:
    filter_ = parse_filter({"or": [{"page": 1}, {VALUE: condition}]})
    try:
        check_attribute_kinds(filter_, lambda _: frozenset(kinds))
    except ValidationFailed as error:
        assert error.violations[0].code == "kind-mismatch"
        assert error.violations[0].pointer.startswith(f"/filter/or/1/{VALUE}")
        return True
    return False


def test_a_kind_that_an_attribute_never_has_is_refused() -> None:
    assert kinds_refused("3", Kind.NUMBER)
    assert kinds_refused({"gt": 3}, Kind.STRING, Kind.BOOLEAN)
    assert kinds_refused({"starts_with": "a"}, Kind.STRINGS)
    assert kinds_refused({"contains": "a"}, Kind.NUMBER)
    assert kinds_refused("2026-01-01T00:00:00Z", Kind.STRING)


def test_a_kind_that_an_attribute_has_is_not_refused() -> None:
    assert not kinds_refused("3", Kind.NUMBER, Kind.STRING)
    assert not kinds_refused({"contains": "a"}, Kind.STRINGS)
    assert not kinds_refused({"in": [1, "a"]}, Kind.STRING)
    assert not kinds_refused({"exists": True}, Kind.NUMBER)
    assert not kinds_refused("anything")


def test_an_empty_list_has_no_kind_to_refuse() -> None:
    assert not kinds_refused({"in": []}, Kind.NUMBER)
    assert not kinds_refused({"nin": []}, Kind.NUMBER)


def test_conditions_are_listed_left_to_right() -> None:
    filter_ = parse_filter({"page": 1, "or": [{"name": "a"}, {"not": {"section": "b"}}]})
    assert [condition.field.name for condition in conditions(filter_)] == ["page", "name", "section"]
