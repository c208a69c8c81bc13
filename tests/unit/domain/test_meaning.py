"""Filters are searched together only when they say the same."""

from __future__ import annotations

from itertools import combinations
from typing import Any

from quiredb.domain.filter_parsing import parse_filter
from quiredb.domain.filters import meaning_of

DIFFERENT: list[dict[str, Any]] = [
    {},
    {"page": 1},
    {"page": 2},
    {"page": {"ne": 1}},
    {"doc.id": "1"},
    {"id": "1"},
    {"attributes.n": 1},
    {"attributes.n": True},
    {"attributes.n": "1"},
    {"attributes.n": {"in": [1, 2]}},
    {"attributes.n": {"in": [True, 2]}},
    {"not": {"page": 1}},
    {"and": [{"page": 1}, {"id": "1"}]},
    {"or": [{"page": 1}, {"id": "1"}]},
]


def test_filters_that_say_different_things_have_different_meanings() -> None:
    for one, other in combinations(DIFFERENT, 2):
        assert meaning_of(parse_filter(one)) != meaning_of(parse_filter(other)), (one, other)


def test_a_filter_means_the_same_wherever_it_stands() -> None:
    for filter_ in DIFFERENT:
        first, second = (parse_filter(filter_, f"/searches/{number}/filter") for number in range(2))
        assert meaning_of(first) == meaning_of(second)
        assert hash(meaning_of(first)) == hash(meaning_of(second))
