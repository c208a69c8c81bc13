"""Judges what a server answers about a library by recomputing it from an export of that library."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reliability.load.shelves import DIMENSION, Chunk, Shelf
from reliability.load.writers import PAGES, WORDS
from reliability.wire import Wire

K = 10
QUERIES = 4


@dataclass(slots=True)
class Tally:
    """What was compared: answers that must be equal, and of approximate hits how many were among the best."""

    exact: int = 0
    hits: int = 0
    true_hits: int = 0
    wrong: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Filter:
    """A filter as a request has it and as Python has it."""

    body: dict[str, Any] | None
    allows: Callable[[Chunk], bool]


def judge(wire: Wire, library: str, shelf: Shelf, chance: random.Random) -> Tally:
    """Ask for counts, lists and neighbours under several filters, and compare each with the shelf."""
    tally = Tally()
    chunks = {name: chunk for document in shelf.values() for name, chunk in document.chunks.items()}
    path = f"/v1/libraries/{library}"
    queries = np.array([[chance.randint(-5, 5) for _ in range(DIMENSION)] for _ in range(QUERIES)], np.float32)
    for filter_ in _filters(chance):
        allowed = {name: chunk for name, chunk in chunks.items() if filter_.allows(chunk)}
        given = {} if filter_.body is None else {"filter": filter_.body}
        counted = wire.demand("POST", f"{path}/count", given).json()["count"]
        _expect(tally, counted, len(allowed), f"count {filter_.body}")
        scanned = wire.demand("POST", f"{path}/chunks/scan?limit=1000", {**given, "include": []}).json()
        _expect(tally, [item["id"] for item in scanned["items"]], sorted(allowed)[:1000], f"scan {filter_.body}")
        for exact in (True, False):
            searches = [{"vector": query.tolist(), "k": K, "exact": exact, **given} for query in queries]
            answer = wire.demand("POST", f"{path}/search/batch", {"searches": searches})
            for query, result in zip(queries, answer.json()["results"], strict=True):
                found = [(hit["distance"], hit["id"]) for hit in result["hits"]]
                _compare(tally, found, _ranked(query, allowed), exact=exact, where=f"{filter_.body}")
    return tally


def _compare(
    tally: Tally, found: list[tuple[float, str]], truth: list[tuple[float, str]], *, exact: bool, where: str
) -> None:
    if exact:
        _expect(tally, found, truth[:K], f"exact search {where}")
        return
    # An approximate search may miss some of the best; whatever it finds is there, once, and as far as it says.
    distances = {name: distance for distance, name in truth}
    honest = all(distances.get(name) == distance for distance, name in found) and found == sorted(set(found))
    if not honest or len(found) != min(K, len(truth)):
        tally.wrong.append(f"approximate search {where}: {found[:3]}...")
    tally.hits += len(found)
    tally.true_hits += len({name for _, name in found} & {name for _, name in truth[:K]})


def _expect(tally: Tally, found: Any, truth: Any, what: str) -> None:
    tally.exact += 1
    if found != truth:
        tally.wrong.append(f"{what}: found {str(found)[:120]}, expected {str(truth)[:120]}")


def _ranked(query: NDArray[np.float32], chunks: dict[str, Chunk]) -> list[tuple[float, str]]:
    if not chunks:
        return []
    vectors = np.array([chunk.floats for chunk in chunks.values()], np.float64)
    distances = ((vectors - query.astype(np.float64)) ** 2).sum(axis=1)
    return sorted(zip(distances.tolist(), chunks, strict=True))


def _filters(chance: random.Random) -> Iterator[_Filter]:
    page, word, name = chance.randrange(PAGES), chance.choice(WORDS), f"w{chance.randrange(4)}"
    yield _Filter(None, lambda _: True)
    yield _Filter({"page": {"lt": page}}, lambda chunk: chunk.page < page)
    yield _Filter({"text": {"contains": word}}, lambda chunk: word in chunk.text)
    yield _Filter(
        {"tags": {"contains": name}, "page": {"ne": page}}, lambda chunk: name in chunk.tags and chunk.page != page
    )
