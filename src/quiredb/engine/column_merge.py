"""Columns of several segments put together, without going back to the records."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from quiredb.domain.metadata import Kind
from quiredb.engine.column_block import ColumnBlock, ColumnKey
from quiredb.engine.columns import Column, ListColumn, OrderedColumn, TextColumn
from quiredb.engine.strings import StringDictionary


@dataclass(frozen=True, slots=True)
class Source:
    """Some rows of a block: those at `places`, in that order."""

    block: ColumnBlock
    places: NDArray[np.int64]


def merge_blocks(sources: Sequence[Source], order: NDArray[np.int64]) -> ColumnBlock:
    """One block whose row i is row order[i] of all sources' rows one after the other."""
    keys = sorted({key for source in sources for key in source.block.columns}, key=str)
    columns = {key: _merged(key, sources, order) for key in keys}
    return ColumnBlock(len(order), {key: column for key, column in columns.items() if column.present.any()})


def _merged(key: ColumnKey, sources: Sequence[Source], order: NDArray[np.int64]) -> Column:
    if key[1] is Kind.STRING:
        return _merged_texts(key, sources, order)
    if key[1] is Kind.STRINGS:
        return _merged_lists(key, sources, order)
    return _merged_ordered(key, sources, order)


def _merged_ordered(key: ColumnKey, sources: Sequence[Source], order: NDArray[np.int64]) -> OrderedColumn:
    dtype = {Kind.NUMBER: np.float64, Kind.DATETIME: np.int64, Kind.BOOLEAN: np.int8}[key[1]]
    values, present = [], []
    for source in sources:
        column = source.block.columns.get(key)
        assert column is None or isinstance(column, OrderedColumn)
        absent = np.zeros(len(source.places), np.bool_)
        values.append(absent.astype(dtype) if column is None else column.values[source.places])
        present.append(absent if column is None else column.present[source.places])
    return OrderedColumn(np.concatenate(values)[order], np.concatenate(present)[order])


def _merged_texts(key: ColumnKey, sources: Sequence[Source], order: NDArray[np.int64]) -> TextColumn:
    codes, dictionaries = [], []
    for source in sources:
        column = source.block.columns.get(key)
        assert column is None or isinstance(column, TextColumn)
        if column is not None:
            codes.append(column.codes[source.places])
            dictionaries.append(column.dictionary)
        else:
            codes.append(np.full(len(source.places), -1, np.int32))
            dictionaries.append(StringDictionary.of(()))
    dictionary, translated = _translated(codes, dictionaries)
    return TextColumn(np.concatenate(translated)[order], dictionary)


def _merged_lists(key: ColumnKey, sources: Sequence[Source], order: NDArray[np.int64]) -> ListColumn:
    lengths, codes, dictionaries = [], [], []
    for source in sources:
        column = source.block.columns.get(key)
        assert column is None or isinstance(column, ListColumn)
        if column is not None:
            taken_lengths, taken_codes = _lists_at(column.offsets, column.codes, source.places)
            lengths.append(taken_lengths)
            codes.append(taken_codes)
            dictionaries.append(column.dictionary)
        else:
            lengths.append(np.zeros(len(source.places), np.int64))
    dictionary, translated = _translated(codes, dictionaries)
    all_lengths = np.concatenate(lengths)
    ordered_lengths, ordered_codes = _lists_at(_offsets(all_lengths), np.concatenate(translated), order)
    return ListColumn(_offsets(ordered_lengths), ordered_codes, dictionary)


def _translated(
    codes: Sequence[NDArray[np.int32]], dictionaries: Sequence[StringDictionary]
) -> tuple[StringDictionary, list[NDArray[np.int32]]]:
    """One dictionary of the strings that are still used, and the codes in it; -1 stays -1."""
    used = [np.unique(one[one >= 0]) for one in codes]
    texts = [
        [dictionary[code] for code in numbers.tolist()] for numbers, dictionary in zip(used, dictionaries, strict=True)
    ]
    dictionary = StringDictionary.of(text for some in texts for text in some)
    numbers_of = {dictionary[code]: code for code in range(len(dictionary))}
    translated = []
    for one, numbers, some, old in zip(codes, used, texts, dictionaries, strict=True):
        table = np.full(len(old) + 1, -1, np.int32)
        table[numbers] = [numbers_of[text] for text in some]
        translated.append(table[one])
    return dictionary, translated


def _lists_at(
    offsets: NDArray[np.int64], codes: NDArray[np.int32], places: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Lengths and codes of the lists at `places`, in that order."""
    starts, lengths = offsets[places], offsets[places + 1] - offsets[places]
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    within = np.arange(total) - np.repeat(ends - lengths, lengths)
    return lengths, codes[np.repeat(starts, lengths) + within]


def _offsets(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate((np.zeros(1, np.int64), np.cumsum(lengths)))
