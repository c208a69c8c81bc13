"""The published schema of filters says what the parser takes: every filter that it takes, no field or operator more."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given

from quiredb.api.schemas.filters import FILTER, filter_schema
from quiredb.domain.errors import ValidationFailed
from quiredb.domain.filter_parsing import parse_filter
from quiredb.domain.filters import Operator
from tests.property.filters import filters

SCHEMA = jsonschema_rs.validator_for(
    {"$ref": f"#/components/schemas/{FILTER}", "components": {"schemas": {FILTER: filter_schema()}}}
)
FIELDS = ("name", "page", "tags", "created_at", "doc.published_at", "attributes.year", "nothing", "doc.page")
OPERANDS = ("x", 3, True, "2026-01-01T00:00:00Z", ["x"], [1, 2], ["x", "y"], [True, False], None)


def takes(filter_: Any) -> bool:
    try:
        parse_filter(filter_)
    except ValidationFailed:
        return False
    return True


@given(filters)
def test_what_the_parser_takes_is_valid(filter_: Any) -> None:
    assert takes(filter_)
    assert SCHEMA.is_valid(filter_)


@pytest.mark.parametrize("field", FIELDS)
def test_every_operator_on_every_kind_of_field(field: str) -> None:
    for operator in [*Operator, "regex"]:
        for operand in OPERANDS:
            filter_ = {field: {str(operator): operand}}
            assert SCHEMA.is_valid(filter_) >= takes(filter_), filter_
            if not SCHEMA.is_valid(filter_):
                assert not takes(filter_), filter_


@pytest.mark.parametrize("filter_", [{"and": []}, {"not": []}, {"page": {}}, {"nothing": 1}, {"page": {"$where": 1}}])
def test_what_no_filter_looks_like_is_not_valid(filter_: Any) -> None:
    assert not takes(filter_)
    assert not SCHEMA.is_valid(filter_)
