"""Random metadata and random filters over it. Values come from small pools, so that conditions do match."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

MOMENTS = (
    "2026-01-01T00:00:00Z",
    "2026-01-01T01:00:00+01:00",
    "2025-12-31T23:59:59.999999Z",
    "2026-06-01t12:00:00.5z",
    "0001-01-02T00:00:00Z",
)
WORDS = ("", "a", "ab", "abc", "b", "ABC", "é", "straße", "STRASSE", "\uffff", "\U0001f600", "\U0001f600a", "a\0b")
NUMBERS = (0, -0.0, 1, 1.0, -1, 2, 2.5, -7.25, 2**53, -(2**53), 2**53 - 1, 0.1)

words = st.sampled_from(WORDS) | st.text(max_size=3)
moments = st.sampled_from(MOMENTS)
numbers = st.sampled_from(NUMBERS) | st.integers(-(2**53), 2**53) | st.floats(-1e6, 1e6)
lists_of_words = st.lists(words | moments, max_size=4).map(tuple)
values = words | moments | numbers | st.booleans() | lists_of_words

ATTRIBUTE_NAMES = ("a", "b", "c")
attributes = st.dictionaries(st.sampled_from(ATTRIBUTE_NAMES), values, max_size=3)
optional_words = st.none() | words | moments

chunk_metadata: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "name": optional_words,
        "section": optional_words,
        "page": st.none() | st.integers(-3, 3),
        "tags": lists_of_words,
        "attributes": attributes,
    },
)
document_metadata: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {}, optional={"title": optional_words, "author": optional_words, "tags": lists_of_words, "attributes": attributes}
)

_TEXT_CONDITIONS = st.one_of(
    st.fixed_dictionaries({"contains": words}),
    st.fixed_dictionaries({"icontains": words}),
    st.fixed_dictionaries({"contains_any": st.lists(words, max_size=3)}),
    st.fixed_dictionaries({"contains_all": st.lists(words, max_size=3)}),
)
_EDGES = st.fixed_dictionaries({"starts_with": words}) | st.fixed_dictionaries({"ends_with": words})
_EXISTS = st.fixed_dictionaries({"exists": st.booleans()})


def _compared(operands: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    names = st.sampled_from(["eq", "ne", "gt", "gte", "lt", "lte"])
    return st.tuples(names, operands).map(lambda pair: {pair[0]: pair[1]}) | st.fixed_dictionaries(
        {"between": st.lists(operands, min_size=2, max_size=2)}
    )


def _listed(operands: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    members = st.lists(operands, max_size=4)
    return st.fixed_dictionaries({"in": members}) | st.fixed_dictionaries({"nin": members})


def _on(names: tuple[str, ...], conditions: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.tuples(st.sampled_from(names), conditions).map(lambda pair: {pair[0]: pair[1]})


_orderable = words | moments | numbers
_attribute_conditions = st.one_of(
    _orderable | st.booleans(),
    st.tuples(st.sampled_from(["eq", "ne"]), _orderable | st.booleans()).map(lambda pair: {pair[0]: pair[1]}),
    _compared(_orderable),
    _listed(_orderable | st.booleans()),
    _TEXT_CONDITIONS,
    _EDGES,
    _EXISTS,
)
_string_conditions = st.one_of(
    words | moments, _compared(words | moments), _listed(words), _TEXT_CONDITIONS, _EDGES, _EXISTS
)

leaves = st.one_of(
    _on(
        tuple(f"{scope}attributes.{name}" for scope in ("", "doc.") for name in ATTRIBUTE_NAMES), _attribute_conditions
    ),
    _on(("name", "section", "text", "doc.title", "doc.author"), _string_conditions),
    _on(("id", "document_id", "doc.id"), _string_conditions),
    _on(("page", "position"), st.one_of(numbers, _compared(numbers), _listed(numbers), _EXISTS)),
    _on(("tags", "doc.tags"), _TEXT_CONDITIONS | _EXISTS),
    _on(("created_at", "updated_at", "doc.updated_at"), _compared(moments) | _listed(moments) | _EXISTS),
)


def _joined(children: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    several = st.lists(children, min_size=1, max_size=3)
    return st.one_of(
        several.map(lambda parts: {"and": parts}),
        several.map(lambda parts: {"or": parts}),
        children.map(lambda part: {"not": part}),
    )


filters: st.SearchStrategy[dict[str, Any]] = st.recursive(leaves, _joined, max_leaves=6)
"""JSON filters that parse; they may be deeper than allowed in rare cases."""
