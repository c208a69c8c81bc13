"""JSON filters become trees; every fault is named by its place and a code."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from quiredb.domain.errors import ValidationFailed
from quiredb.domain.filter_fields import Field, Scope
from quiredb.domain.filter_parsing import parse_filter
from quiredb.domain.filters import And, Condition, Not, Operator, Or
from quiredb.domain.limits import (
    ATTRIBUTE_NAME_CHARACTERS_MAX,
    FILTER_CONDITIONS_MAX,
    FILTER_DEPTH_MAX,
    FILTER_VALUES_MAX,
    NUMBER_MAGNITUDE_MAX,
)

PAGE = Field(Scope.CHUNK, "page")
NAME = Field(Scope.CHUNK, "name")
YEAR = Field(Scope.CHUNK, "attributes.year")


def nested(depth: int) -> dict[str, Any]:
    filter_: dict[str, Any] = {"page": 1}
    for _ in range(depth - 1):
        filter_ = {"not": filter_}
    return filter_


def refused(data: object) -> tuple[str, str]:
    with pytest.raises(ValidationFailed) as caught:
        parse_filter(data)
    (violation,) = caught.value.violations
    assert violation.detail
    return violation.pointer, violation.code


def test_a_scalar_means_equal() -> None:
    assert parse_filter({"page": 3}) == Condition(PAGE, Operator.EQ, 3)


def test_the_empty_filter_matches_everything() -> None:
    assert parse_filter({}) == And(())


def test_several_members_and_several_operators_mean_all_of_them() -> None:
    found = parse_filter({"page": {"gte": 3, "lt": 9}, "name": "a"})
    assert found == And(
        (
            And((Condition(PAGE, Operator.GTE, 3), Condition(PAGE, Operator.LT, 9))),
            Condition(NAME, Operator.EQ, "a"),
        )
    )


def test_connectives_nest() -> None:
    found = parse_filter({"or": [{"page": 1}, {"not": {"and": [{"name": "a"}]}}]})
    assert found == Or((Condition(PAGE, Operator.EQ, 1), Not(And((Condition(NAME, Operator.EQ, "a"),)))))


@pytest.mark.parametrize(
    ("field", "operator", "operand"),
    [
        ("page", "eq", 1),
        ("page", "ne", 1.5),
        ("page", "in", [1, 2]),
        ("page", "nin", []),
        ("page", "gt", 1),
        ("page", "gte", 1),
        ("page", "lt", 1),
        ("page", "lte", 1),
        ("page", "between", [1, 2]),
        ("name", "contains", "x"),
        ("tags", "icontains", "x"),
        ("name", "starts_with", "x"),
        ("name", "ends_with", "x"),
        ("tags", "contains_any", ["x", "y"]),
        ("tags", "contains_all", []),
        ("tags", "exists", False),
    ],
)
def test_every_operator(field: str, operator: str, operand: Any) -> None:
    found = parse_filter({field: {operator: operand}})
    expected = tuple(operand) if isinstance(operand, list) else operand
    assert found == Condition(Field(Scope.CHUNK, field), Operator(operator), expected)


def test_all_operators_are_tested_above() -> None:
    tested = {mark.args[1][i][1] for mark in test_every_operator.pytestmark for i in range(16)}  # type: ignore[attr-defined]
    assert tested == set(Operator)


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("id", Field(Scope.CHUNK, "id")),
        ("doc.id", Field(Scope.DOCUMENT, "id")),
        ("doc.author", Field(Scope.DOCUMENT, "author")),
        ("attributes.a.b", Field(Scope.CHUNK, "attributes.a.b")),
        ("doc.attributes.x", Field(Scope.DOCUMENT, "attributes.x")),
        ("attributes.doc.x", Field(Scope.CHUNK, "attributes.doc.x")),
    ],
)
def test_fields(name: str, field: Field) -> None:
    found = parse_filter({name: {"exists": True}})
    assert found == Condition(field, Operator.EXISTS, True)
    assert str(field) == name


@pytest.mark.parametrize(
    "name",
    ["nope", "attributes", "attributes.", "doc.", "doc.text", "doc.position", "doc.doc.id", "author", "Page", ""],
)
def test_unknown_fields(name: str) -> None:
    assert refused({name: 1}) == (f"/filter/{name}", "unknown-field")


def test_the_longest_attribute_name() -> None:
    name = "attributes." + "n" * ATTRIBUTE_NAME_CHARACTERS_MAX
    assert isinstance(parse_filter({name: 1}), Condition)
    assert refused({name + "n": 1})[1] == "unknown-field"


def test_date_time_operands_become_instants_where_the_field_is_no_string() -> None:
    text, instant = "2026-01-01T01:00:00+01:00", datetime(2026, 1, 1, tzinfo=UTC)
    assert parse_filter({"created_at": {"gt": text}}).operand == instant  # type: ignore[union-attr]
    assert parse_filter({"attributes.when": text}).operand == instant  # type: ignore[union-attr]
    assert parse_filter({"name": text}).operand == text  # type: ignore[union-attr]
    assert parse_filter({"attributes.when": {"contains": text}}).operand == text  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("data", "pointer", "code"),
    [
        ([], "/filter", "filter"),
        (None, "/filter", "filter"),
        ({"and": []}, "/filter/and", "filter"),
        ({"or": {}}, "/filter/or", "filter"),
        ({"or": [{"page": 1}, 3]}, "/filter/or/1", "filter"),
        ({"not": [1]}, "/filter/not", "filter"),
        ({"page": {}}, "/filter/page", "filter"),
        ({"page": {"like": 1}}, "/filter/page", "unknown-operator"),
        ({"page": None}, "/filter/page", "operand"),
        ({"page": [1]}, "/filter/page", "operand"),
        ({"page": {"eq": {}}}, "/filter/page/eq", "operand"),
        ({"page": {"exists": 1}}, "/filter/page/exists", "operand"),
        ({"page": {"between": [1]}}, "/filter/page/between", "operand"),
        ({"page": {"between": [1, 2, 3]}}, "/filter/page/between", "operand"),
        ({"page": {"between": [1, None]}}, "/filter/page/between/1", "operand"),
        ({"page": {"in": 1}}, "/filter/page/in", "operand"),
        ({"page": {"in": [1, [2]]}}, "/filter/page/in/1", "operand"),
        ({"page": "3"}, "/filter/page", "kind-mismatch"),
        ({"page": True}, "/filter/page", "kind-mismatch"),
        ({"page": {"in": [1, "2"]}}, "/filter/page/in", "kind-mismatch"),
        ({"page": {"contains": "1"}}, "/filter/page/contains", "kind-mismatch"),
        ({"name": {"gt": 3}}, "/filter/name/gt", "kind-mismatch"),
        ({"name": {"starts_with": 3}}, "/filter/name/starts_with", "kind-mismatch"),
        ({"tags": "a"}, "/filter/tags", "kind-mismatch"),
        ({"tags": {"starts_with": "a"}}, "/filter/tags/starts_with", "kind-mismatch"),
        ({"tags": {"contains_any": ["a", 1]}}, "/filter/tags/contains_any/1", "kind-mismatch"),
        ({"created_at": {"gt": "yesterday"}}, "/filter/created_at/gt", "kind-mismatch"),
        ({"attributes.a": {"gt": True}}, "/filter/attributes.a/gt", "kind-mismatch"),
        ({"attributes.a": {"between": [False, True]}}, "/filter/attributes.a/between/0", "kind-mismatch"),
        ({"attributes.a/b~c": None}, "/filter/attributes.a~1b~0c", "operand"),
        ({"page": NUMBER_MAGNITUDE_MAX + 1}, "/filter/page", "number-range"),
        ({"page": {"in": [1, -1e300]}}, "/filter/page/in/1", "number-range"),
        ({"attributes.a": float("nan")}, "/filter/attributes.a", "number-range"),
        ({"attributes.a": 10**400}, "/filter/attributes.a", "number-range"),
    ],
)
def test_faults_have_a_place_and_a_code(data: object, pointer: str, code: str) -> None:
    assert refused(data) == (pointer, code)


def test_the_pointer_can_start_elsewhere() -> None:
    with pytest.raises(ValidationFailed) as caught:
        parse_filter({"nope": 1}, "/searches/3/filter")
    assert caught.value.violations[0].pointer == "/searches/3/filter/nope"


def test_depth_limit() -> None:
    parse_filter(nested(FILTER_DEPTH_MAX))
    pointer, code = refused(nested(FILTER_DEPTH_MAX + 1))
    assert (pointer, code) == ("/filter" + "/not" * FILTER_DEPTH_MAX, "filter-depth")


def test_conditions_are_counted_over_the_whole_tree() -> None:
    conditions = [{"page": {"gt": 0, "lt": number}} for number in range(FILTER_CONDITIONS_MAX // 2)]
    parse_filter({"or": conditions})
    assert refused({"or": conditions, "name": "a"}) == ("/filter/name", "filter-conditions")


def test_values_limit() -> None:
    parse_filter({"page": {"in": list(range(FILTER_VALUES_MAX))}})
    assert refused({"page": {"in": list(range(FILTER_VALUES_MAX + 1))}}) == ("/filter/page/in", "operand")
