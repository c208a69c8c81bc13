"""What is in a library according to an export, and a brute-force search over it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from quiredb_client import Client

from tests.reference.exact_search import nearest


@dataclass(frozen=True)
class Contents:
    """All chunks of a library: ids in the order of an export, and their embeddings, one a row."""

    ids: list[str]
    embeddings: NDArray[np.float32]

    def nearest(self, query: NDArray[np.float32], metric: str, k: int) -> list[str]:
        """Ids of the k nearest, ties by id."""
        found = nearest(query, self.embeddings, metric, len(self.ids))
        return [identifier for _, identifier in sorted((distance, self.ids[row]) for distance, row in found)[:k]]


def contents_of(client: Client, library: str) -> Contents:
    """Read everything."""
    chunks = [chunk for line in client.library(library).export() for chunk in line.get("chunks", [line])]
    dimension = client.libraries.get(library).dimension
    embeddings = np.array([chunk["embedding"] for chunk in chunks], np.float32).reshape(len(chunks), dimension)
    return Contents([chunk["id"] for chunk in chunks], embeddings)


def assert_searches_are_exact(client: Client, library: str, queries: NDArray[np.float32], k: int = 10) -> Contents:
    """The server's exact search finds what brute force over its export finds."""
    contents = contents_of(client, library)
    metric = client.libraries.get(library).metric
    found = client.library(library).search_batch(vectors=queries, k=k, exact=True)
    assert [result.ids for result in found] == [contents.nearest(query, metric, k) for query in queries]
    assert client.library(library).count() == len(contents.ids)
    return contents
