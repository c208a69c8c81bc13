"""Columns answer every filter as its plain meaning does, for every row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from quiredb.domain.chunk import Chunk
from quiredb.domain.document import Document
from quiredb.domain.errors import ValidationFailed
from quiredb.domain.filter_fields import Field, Scope, chunk_value, chunk_values, document_value
from quiredb.domain.filter_parsing import parse_filter
from quiredb.domain.filters import Filter, matches
from quiredb.engine.column_block import ColumnBlock, ColumnBlockBuilder
from quiredb.engine.column_merge import Source, merge_blocks
from quiredb.engine.documents import DocumentTable
from quiredb.engine.filtering import FilterTarget, matching_rows
from tests.property.filters import chunk_metadata, document_metadata, filters, words
from tests.unit.engine.rows import chunk_of, document_of, document_row

DOCUMENTS = 3


class Texts:
    """The store's texts, counting how many were read."""

    def __init__(self, chunks: Sequence[Chunk], first_row: int) -> None:
        self._by_row = {first_row + number: chunk.text for number, chunk in enumerate(chunks)}
        self.read: list[int] = []

    def __call__(self, rows: list[int]) -> Iterable[tuple[int, str]]:
        self.read.extend(rows)
        return [(row, self._by_row[row]) for row in reversed(rows)]


@st.composite
def chunks(draw: st.DrawFn) -> list[Chunk]:
    made = draw(st.lists(st.tuples(chunk_metadata, st.integers(0, DOCUMENTS - 1), words), min_size=1, max_size=12))
    return [chunk_of(number, metadata, document=key, text=text) for number, (metadata, key, text) in enumerate(made)]


document_versions = st.lists(st.tuples(st.integers(0, DOCUMENTS - 1), document_metadata), max_size=8)


def document_table(updates: Sequence[tuple[int, Any]]) -> tuple[DocumentTable, dict[int, Document]]:
    """A table that saw every update one by one, and the newest version of each document."""
    table, newest, row = DocumentTable(), {}, 0
    for key in range(DOCUMENTS):
        newest[key] = document_of(key)
        table.extend([document_row(row := row + 1, key, newest[key])])
    for version, (key, metadata) in enumerate(updates, start=2):
        newest[key] = document_of(key, metadata, version)
        table.extend([document_row(row := row + 1, key, newest[key])])
    return table, newest


def built(chunks: Sequence[Chunk], order: NDArray[np.int64] | None = None) -> ColumnBlock:
    builder = ColumnBlockBuilder(Scope.CHUNK, chunk_values)
    for chunk in chunks:
        builder.add(chunk)
    return builder.build(order)


def reopened(block: ColumnBlock) -> ColumnBlock:
    """As it comes back from a file: plain names, arrays that nobody can write to."""
    arrays = {}
    for name, array in block.arrays().items():
        arrays[name] = np.frombuffer(array.tobytes(), array.dtype).reshape(array.shape)
    return ColumnBlock.open(block.count, [list(map(str, column)) for column in block.layout()], arrays)


def parsed(data: dict[str, Any]) -> Filter:
    try:
        return parse_filter(data)
    except ValidationFailed as error:
        assume(error.violations[0].code != "filter-depth")
        raise


def truth(filter_: Filter, chunks: Sequence[Chunk], documents: dict[int, Document]) -> list[bool]:
    def values_of(chunk: Chunk) -> Any:
        document = documents[int(chunk.document_id.removeprefix("document-"))]

        def value(field: Field) -> Any:
            if field.scope is Scope.DOCUMENT:
                return document_value(document, field)
            return chunk_value(chunk, field)

        return value

    return [matches(filter_, values_of(chunk)) for chunk in chunks]


def answered(
    filter_: Filter, block: ColumnBlock, chunks: Sequence[Chunk], table: DocumentTable, within: Sequence[bool]
) -> list[bool]:
    keys = np.array([int(chunk.document_id.removeprefix("document-")) for chunk in chunks], np.int64)
    rows = np.arange(100, 100 + len(chunks))
    target = FilterTarget(block, rows, keys, table.snapshot().satisfying, Texts(chunks, 100))
    found: list[bool] = matching_rows(filter_, target, np.array(within, np.bool_)).tolist()
    return found


@settings(max_examples=250)
@given(chunks(), document_versions, filters, st.randoms(use_true_random=False))
def test_every_row_as_the_plain_meaning(
    rows: list[Chunk], updates: list[tuple[int, Any]], data: dict[str, Any], random: Any
) -> None:
    filter_ = parsed(data)
    table, documents = document_table(updates)
    expected = truth(filter_, rows, documents)
    everything = [True] * len(rows)
    block = built(rows)
    assert answered(filter_, block, rows, table, everything) == expected
    assert answered(filter_, reopened(block), rows, table, everything) == expected

    within = [random.random() < 0.5 for _ in rows]
    wanted = [a and b for a, b in zip(expected, within, strict=True)]
    assert answered(filter_, block, rows, table, within) == wanted

    order = random.sample(range(len(rows)), len(rows))
    moved = [rows[number] for number in order]
    ordered = built(rows, np.array(order, np.int64))
    assert answered(filter_, ordered, moved, table, everything) == [expected[number] for number in order]
    assert answered(filter_, reopened(ordered), moved, table, everything) == [expected[number] for number in order]


@settings(max_examples=250)
@given(chunks(), filters, st.integers(1, 4), st.randoms(use_true_random=False))
def test_merged_blocks_as_the_plain_meaning(rows: list[Chunk], data: dict[str, Any], parts: int, random: Any) -> None:
    """Blocks of parts of the rows, some rows left out, put together in a new order."""
    filter_ = parsed(data)
    table, documents = document_table([])
    sources, kept = [], []
    for part in range(parts):
        mine = rows[part::parts]
        places = sorted(random.sample(range(len(mine)), random.randint(0, len(mine))))
        block = built(mine)
        sources.append(Source(reopened(block) if random.random() < 0.5 else block, np.array(places, np.int64)))
        kept.extend(mine[place] for place in places)
    order = random.sample(range(len(kept)), len(kept))
    moved = [kept[number] for number in order]
    merged = merge_blocks(sources, np.array(order, np.int64))
    everything = [True] * len(moved)
    expected = truth(filter_, moved, documents)
    assert answered(filter_, merged, moved, table, everything) == expected
    assert answered(filter_, reopened(merged), moved, table, everything) == expected


@pytest.mark.parametrize(
    "filter_",
    [
        {"text": {"contains": "text"}, "page": 3},
        {"page": 3, "text": {"contains": "text"}},
        {"and": [{"not": {"text": "x"}}, {"or": [{"text": {"ne": "y"}}]}, {"page": 3}]},
        {"or": [{"text": {"contains": "text"}}, {"page": {"ne": 3}}]},
        {"or": [{"page": {"ne": 3}}, {"text": {"contains": "text"}}]},
        {"page": 3, "not": {"not": {"text": {"starts_with": "text"}}}},
    ],
)
def test_texts_are_read_only_for_rows_that_the_columns_leave_open(filter_: dict[str, Any]) -> None:
    rows = [chunk_of(number, {"page": number}) for number in range(10)]
    texts = Texts(rows, 0)
    target = FilterTarget(
        built(rows), np.arange(10), np.zeros(10, np.int64), DocumentTable().snapshot().satisfying, texts
    )
    found = matching_rows(parse_filter(filter_), target, np.ones(10, np.bool_))
    assert found[3]
    assert set(texts.read) == {3}


def test_texts_are_not_read_to_know_that_they_exist() -> None:
    rows = [chunk_of(0)]
    texts = Texts(rows, 0)
    target = FilterTarget(
        built(rows), np.arange(1), np.zeros(1, np.int64), DocumentTable().snapshot().satisfying, texts
    )
    assert matching_rows(parse_filter({"text": {"exists": True}}), target, np.ones(1, np.bool_)).tolist() == [True]
    assert matching_rows(parse_filter({"text": {"exists": False}}), target, np.ones(1, np.bool_)).tolist() == [False]
    assert texts.read == []


def test_texts_of_purged_rows_match_nothing() -> None:
    rows = [chunk_of(number) for number in range(3)]
    target = FilterTarget(
        built(rows),
        np.arange(3),
        np.zeros(3, np.int64),
        DocumentTable().snapshot().satisfying,
        lambda wanted: [(row, "text") for row in wanted if row != 1],
    )
    filter_ = parse_filter({"text": {"ne": "other"}})
    assert matching_rows(filter_, target, np.ones(3, np.bool_)).tolist() == [True, False, True]
