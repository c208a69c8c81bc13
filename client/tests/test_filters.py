"""Filter expressions are exactly the JSON of the REST contract."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import orjson
import pytest
from quiredb_client import F, Filter
from quiredb_client.wire import encode


def written(value: Filter) -> object:
    return orjson.loads(encode(value))


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (F.page == 3, {"page": {"eq": 3}}),
        (F.page != 3, {"page": {"ne": 3}}),
        (F.page > 3, {"page": {"gt": 3}}),
        (F.page >= 3, {"page": {"gte": 3}}),
        (F.page < 3, {"page": {"lt": 3}}),
        (F.page <= 3, {"page": {"lte": 3}}),
        (3 < F.page, {"page": {"gt": 3}}),  # noqa: SIM300
        (F("attributes.year").between(2000, 2010), {"attributes.year": {"between": [2000, 2010]}}),
        (F.attributes.year.in_([1, 2]), {"attributes.year": {"in": [1, 2]}}),
        (F.language.not_in({"de"}), {"language": {"nin": ["de"]}}),
        (F.tags.contains("x"), {"tags": {"contains": "x"}}),
        (F.name.icontains("X"), {"name": {"icontains": "X"}}),
        (F.name.starts_with("a"), {"name": {"starts_with": "a"}}),
        (F.name.ends_with("z"), {"name": {"ends_with": "z"}}),
        (F.tags.contains_any(["a", "b"]), {"tags": {"contains_any": ["a", "b"]}}),
        (F.tags.contains_all(("a", "b")), {"tags": {"contains_all": ["a", "b"]}}),
        (F.page.exists(), {"page": {"exists": True}}),
        (F.page.exists(False), {"page": {"exists": False}}),
        (F.doc.author == "x", {"doc.author": {"eq": "x"}}),
        (~(F.page == 3), {"not": {"page": {"eq": 3}}}),
        (~~(F.page == 3), {"page": {"eq": 3}}),
        (F.attributes.share > np.float32(0.5), {"attributes.share": {"gt": 0.5}}),
    ],
)
def test_an_expression_is_the_contracts_json(expression: Filter, expected: object) -> None:
    assert written(expression) == expected


def test_and_and_or_keep_their_meaning_and_long_chains_stay_flat() -> None:
    a, b, c = F.page > 1, F.page < 9, F.tags.contains("x")
    assert written(a & b & c) == {"and": [written(a), written(b), written(c)]}
    assert written((a | b) | c) == {"or": [written(a), written(b), written(c)]}
    assert written((a | b) & c) == {"and": [{"or": [written(a), written(b)]}, written(c)]}
    assert written(~(a & b)) == {"not": {"and": [written(a), written(b)]}}


def test_plain_dicts_mix_with_expressions() -> None:
    plain = {"page": {"gt": 1, "lt": 9}}
    assert written(plain & (F.id == "a")) == {"and": [plain, {"id": {"eq": "a"}}]}
    assert written((F.id == "a") | plain) == {"or": [{"id": {"eq": "a"}}, plain]}


def test_combining_does_not_change_the_parts() -> None:
    both = (F.page > 1) & (F.page < 9)
    before = written(both)
    both & (F.id == "a")
    assert written(both) == before


def test_truth_is_refused_with_advice() -> None:
    with pytest.raises(TypeError, match="use &"):
        bool(F.page > 1)
    with pytest.raises(TypeError, match="between"):
        assert 1 < F.page < 9
    with pytest.raises(TypeError, match="exists"):
        bool(F.page)
    with pytest.raises(TypeError, match="exists"):
        F.page == None  # noqa: B015, E711


def test_date_times_are_written_in_utc() -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    assert written(F.created_at > noon) == {"created_at": {"gt": "2026-01-01T10:00:00Z"}}
    assert written(F.created_at < datetime(2026, 1, 1, tzinfo=UTC)) == {"created_at": {"lt": "2026-01-01T00:00:00Z"}}


@pytest.mark.parametrize("moment", [datetime(2026, 1, 1), date(2026, 1, 1)])  # noqa: DTZ001
def test_moments_that_could_mean_several_things_are_refused(moment: object) -> None:
    with pytest.raises(TypeError, match="time zone"):
        encode({"created_at": {"gt": moment}})
