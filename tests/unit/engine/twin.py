"""A library as plain Python: every version of every row, so that any position can be looked at again.

Vectors hold small integers, so that squared distances and dot products are exact and many rows tie.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quiredb.domain.changes import Change, ChunkRow, DocumentRow
from quiredb.domain.document import Document
from quiredb.domain.filter_fields import Field, Scope, chunk_value, document_value
from quiredb.domain.filters import Filter, matches
from quiredb.domain.library import Library
from quiredb.domain.metadata import Kind
from quiredb.domain.metric import Metric
from quiredb.engine.embeddings import as_vector
from tests.unit.engine.rows import chunk_of, chunk_row, document_of, document_row, library_of

DIMENSION = 4
DOCUMENTS = 5
NEVER = 2**62


@dataclass
class Version:
    """A chunk row and when it lived."""

    row: ChunkRow
    born: int
    died: int = NEVER


class Twin:
    """Makes random changes and remembers everything."""

    def __init__(self, random_: random.Random, metric: Metric) -> None:
        self.random = random_
        self.library: Library = library_of(dimension=DIMENSION, metric=metric, documents=DOCUMENTS)
        self.versions: list[Version] = []
        self.documents: list[tuple[int, DocumentRow]] = []
        self._living: dict[str, Version] = {}
        self._kinds_told = False

    @property
    def position(self) -> int:
        return self.library.position

    def change(self, puts: int, deletes: int) -> Change:
        """The next command: some chunks are written (new or again), some removed, one document is touched."""
        position = self.position + 1
        numbers = self.random.sample(range(2_000), puts)
        ids = self.random.sample(sorted(self._living), min(deletes, len(self._living)))
        born = [self._put(number, position) for number in numbers]
        died = [row for identifier in ids if (row := self._delete(identifier, position)) is not None]
        died += [replaced for _, replaced in born if replaced is not None]
        documents = [self._touch(key, position) for key in ([*range(DOCUMENTS)] if position == 1 else [position % 5])]
        self.library = replace(self.library, position=position, chunk_count=len(self._living))
        kinds = () if self._kinds_told else ((Field(Scope.CHUNK, "attributes.n"), Kind.NUMBER),)
        self._kinds_told = True
        return Change(
            position=position,
            library=self.library,
            chunks_born=tuple(version.row for version, _ in born if version.died > position),
            chunks_died=tuple(died),
            documents_born=tuple(documents),
            attribute_kinds=kinds,
        )

    def _put(self, number: int, position: int) -> tuple[Version, int | None]:
        key = number % DOCUMENTS
        vector = [self.random.randint(-2, 2) for _ in range(DIMENSION - 1)] + [1 + number % 2]
        tags = ("odd",) if number % 2 else ()
        metadata = {"page": self.random.randint(0, 9), "tags": tags, "attributes": {"n": position}}
        text = self.random.choice(["red", "green", "blue"])
        chunk = chunk_of(number, metadata, document=key, text=text, vector=vector)
        version = Version(chunk_row(len(self.versions) + 1, chunk, key), position)
        self.versions.append(version)
        replaced = self._delete(chunk.id, position)
        self._living[chunk.id] = version
        return version, replaced

    def _delete(self, identifier: str, position: int) -> int | None:
        """The row that dies, or None when it was born at this same position: then it was never published."""
        version = self._living.get(identifier)
        if version is None or version.born == position:
            return None
        del self._living[identifier]
        version.died = position
        return version.row.row

    def _touch(self, key: int, position: int) -> DocumentRow:
        document = document_of(key, {"title": f"title {position % 3}"}, position)
        row = document_row(len(self.documents) + 1, key, document)
        self.documents.append((position, row))
        return row

    def alive(self, position: int) -> list[ChunkRow]:
        return [version.row for version in self.versions if version.born <= position < version.died]

    def rows_between(self, low: int, high: int, position: int) -> list[ChunkRow]:
        return [row for row in self.alive(position) if low < row.row <= high]

    def died_since(self, position: int) -> NDArray[np.int64]:
        return np.array([one.row.row for one in self.versions if position < one.died < NEVER], np.int64)

    def document_rows(self, position: int) -> list[DocumentRow]:
        newest: dict[int, DocumentRow] = {}
        for born, row in self.documents:
            if born <= position:
                newest[row.key] = row
        return sorted(newest.values(), key=lambda row: row.row)

    def texts(self, rows: list[int]) -> Iterable[tuple[int, str]]:
        return [(row, self.versions[row - 1].row.chunk.text) for row in rows]

    def matching(self, filter_: Filter | None, position: int) -> list[ChunkRow]:
        """The living rows that match at a position."""
        documents = {row.key: row.document for row in self.document_rows(position)}
        rows = self.alive(position)
        return rows if filter_ is None else [row for row in rows if _matches(filter_, row, documents)]

    def nearest(self, query: NDArray[np.float32], rows: Sequence[ChunkRow]) -> list[tuple[float, str]]:
        """(distance, chunk id) of all the rows, nearest first, ties by id."""
        return sorted((self.distance(query, row), row.chunk.id) for row in rows)

    def distance(self, query: NDArray[np.float32], row: ChunkRow) -> float:
        vector = as_vector(row.chunk.embedding or b"").astype(np.float64)
        asked = query.astype(np.float64)
        match self.library.metric:
            case Metric.L2:
                return float(((asked - vector) ** 2).sum())
            case Metric.DOT:
                return float(-(asked @ vector))
            case Metric.COSINE:
                return float(1 - asked @ vector / (np.linalg.norm(asked) * np.linalg.norm(vector)))


def _matches(filter_: Filter, row: ChunkRow, documents: dict[int, Document]) -> bool:
    def value(field: Field) -> Any:
        if field.scope is Scope.DOCUMENT:
            return document_value(documents[row.document_key], field)
        return chunk_value(row.chunk, field)

    return matches(filter_, value)
