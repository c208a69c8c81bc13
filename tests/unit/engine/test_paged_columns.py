"""Pages of growing columns: borders, and snapshots that stay as they were."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from quiredb.domain.filter_parsing import parse_filter
from quiredb.domain.filters import Condition
from quiredb.engine.arrays import GrowingArray
from quiredb.engine.filtering import condition_mask
from quiredb.engine.fresh import CHUNKS
from quiredb.engine.paged_columns import PAGE_RECORDS, PagedColumns, Pages
from tests.unit.engine.rows import chunk_of

ODD = parse_filter({"page": 1})
assert isinstance(ODD, Condition)
RECORDS = [chunk_of(number, {"page": number % 2}) for number in range(3 * PAGE_RECORDS)]


def odd_rows(pages: Pages[object]) -> list[bool]:
    return [bool(odd) for block in pages.blocks() for odd in condition_mask(ODD, block)]


def truth(count: int) -> list[bool]:
    return [number % 2 == 1 for number in range(count)]


@pytest.mark.parametrize("count", [0, 1, 511, 512, 513, 1023, 1024, 1025])
@pytest.mark.parametrize("step", [1, 7, 511, 512, 513, 2000])
def test_all_records_are_covered_in_order(count: int, step: int) -> None:
    columns = PagedColumns(CHUNKS)
    for start in range(0, count, step):
        columns.extend(RECORDS[start : min(start + step, count)])
    pages = columns.snapshot()
    assert odd_rows(pages) == truth(count)
    assert sum(block.count for block in pages.blocks()) == count


def test_full_pages_are_frozen_once() -> None:
    columns = PagedColumns(CHUNKS)
    columns.extend(RECORDS[:513])
    first = columns.snapshot().blocks()[0]
    columns.extend(RECORDS[513:1100])
    assert columns.snapshot().blocks()[0] is first
    assert [block.count for block in columns.snapshot().blocks()] == [512, 512, 76]


def test_a_snapshot_stays_as_it_was() -> None:
    columns = PagedColumns(CHUNKS)
    held = []
    for before, count in pairwise((0, 0, 511, 512, 513, 1500)):
        columns.extend(RECORDS[before:count])
        held.append((count, columns.snapshot()))
    columns.extend(RECORDS[1500:])
    assert [odd_rows(pages) for _, pages in held] == [truth(count) for count, _ in held]


def test_a_published_prefix_never_changes() -> None:
    array = GrowingArray(np.int64, capacity=2)
    held = []
    for number in range(200):
        array.extend(np.arange(number, number + 3))
        held.append(array.published())
    expected = np.concatenate([np.arange(number, number + 3) for number in range(200)])
    for number, prefix in enumerate(held):
        assert prefix.tolist() == expected[: 3 * (number + 1)].tolist()
        assert not prefix.flags.writeable


def test_rows_of_vectors_grow_too() -> None:
    array = GrowingArray(np.float32, width=3, capacity=1)
    array.extend(np.ones((2, 3), np.float32))
    array.extend(np.zeros((0, 3), np.float32))
    array.extend(np.full((5, 3), 2, np.float32))
    assert array.published().tolist() == [[1.0] * 3] * 2 + [[2.0] * 3] * 5
