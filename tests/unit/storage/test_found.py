"""What searches show of chunks, kept or read anew, against the chunks themselves."""

from __future__ import annotations

import random
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson

from quiredb.domain.search import FoundChunk, Include
from quiredb.storage.connections import ReadConnections
from quiredb.storage.found import FoundChunks
from quiredb.storage.health import DatabaseHealth
from quiredb.storage.library_store import DATABASE_NAME, LibraryStore
from tests.unit.storage.building import embedding, put, write

CHUNKS = 60
TEXTS = ('"quoted"', "a\\b", "line\nline\x00\x1f", "ü€😀", "", "/" * 900)
ASKED = (
    frozenset[Include](),
    frozenset({Include.TEXT}),
    frozenset({Include.METADATA}),
    frozenset({Include.TEXT, Include.METADATA}),
    frozenset({Include.TEXT, Include.EMBEDDING, Include.DOCUMENT}),
)


def _filled(store: LibraryStore) -> None:
    write(store, *(put(f"c{number}", f"d{number % 4}", text=TEXTS[number % 6]) for number in range(CHUNKS)))
    write(store, *(put(f"c{number}", f"d{number % 4}", text=f"again {number}") for number in range(0, CHUNKS, 7)))


def _expected(store: LibraryStore) -> dict[int, dict[str, Any]]:
    rows = range(1, CHUNKS + len(range(0, CHUNKS, 7)) + 1)
    return {
        row: {"id": chunk.id, "document_id": chunk.document_id, "position": chunk.position, "text": chunk.text}
        for row, chunk in store.chunks_by_row(rows).items()
    }


def _decoded(found: Mapping[int, FoundChunk]) -> dict[int, dict[str, Any]]:
    return {row: orjson.loads(b"{%b,%b}" % chunk) for row, chunk in found.items()}


def _shown(expected: dict[str, Any], include: frozenset[Include]) -> dict[str, Any]:
    shown = dict(expected)
    if Include.TEXT not in include:
        del shown["text"]
    if Include.METADATA in include:
        shown["metadata"] = {}
    return shown


def _reader(store: LibraryStore, bytes_max: int) -> FoundChunks:
    health = DatabaseHealth(store.segment_path("x").parent.parent / DATABASE_NAME)
    return FoundChunks(ReadConnections(health), bytes_max)


def test_whatever_is_kept_the_same_is_shown(store: LibraryStore) -> None:
    _filled(store)
    expected = _expected(store)
    rows = sorted(expected)
    for bytes_max in (0, 6_000, 1_000_000):
        chunks = _reader(store, bytes_max)
        chance = random.Random(3)
        for _ in range(300):
            asked, include = chance.choices(rows, k=chance.randint(0, 12)), chance.choice(ASKED)
            found = _decoded(chunks.found(asked, include))
            assert found == {row: _shown(expected[row], include) for row in asked}
            # One answer may pass the bound, which is then kept by what comes after it.
            assert chunks.nbytes <= bytes_max + 12 * 1_500


def test_rows_found_again_are_not_read_again(store: LibraryStore) -> None:
    _filled(store)
    chunks = _reader(store, 1_000_000)
    first = chunks.found([5, 3], ASKED[3])
    again = chunks.found([3, 5, 9], ASKED[3])
    assert again[3] is first[3]
    assert again[5] is first[5]
    assert chunks.found([3], ASKED[1])[3] is not first[3]


def test_what_is_asked_for_stays_while_others_come_and_go(store: LibraryStore) -> None:
    _filled(store)
    chunks = _reader(store, 12_000)
    first = chunks.found([1], ASKED[3])[1]
    for row in range(2, CHUNKS):
        chunks.found([row], ASKED[3])
        assert chunks.found([1], ASKED[3])[1] is first
    assert chunks.nbytes <= 12_000 + 1_500


def test_many_threads_are_shown_the_same(store: LibraryStore) -> None:
    _filled(store)
    expected = _expected(store)
    chunks = _reader(store, 8_000)

    def ask(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(200):
            asked, include = chance.choices(sorted(expected), k=8), chance.choice(ASKED)
            assert _decoded(chunks.found(asked, include)) == {row: _shown(expected[row], include) for row in asked}

    with ThreadPoolExecutor(3) as threads:
        list(threads.map(ask, range(3)))


def test_embeddings_and_rows_that_are_not_there(store: LibraryStore) -> None:
    _filled(store)
    assert store.found([1, 999], ASKED[0]).keys() == {1}
    assert store.found_vectors([1, 999]) == {1: embedding()}
    assert store.found_vectors([]) == {}
    assert store.found_bytes() > 0


def test_rows_that_are_purged_are_kept_no_longer(store: LibraryStore) -> None:
    """Else a library that changes all the time fills the memory with versions that nobody can find."""
    _filled(store)
    rows = list(_expected(store))
    for include in ASKED:
        store.found(rows, include)
    full = store.found_bytes()
    dead = store.purge(2, 1000)
    assert dead > 5
    alive = list(_expected(store))
    assert 0 < store.found_bytes() < full
    assert store.found(rows, ASKED[3]).keys() == set(alive)
    write(store, *(put(f"c{number}", f"d{number % 4}", text="last") for number in range(CHUNKS)))
    store.purge(3, 1000)
    assert store.found_bytes() == 0


def test_rows_are_forgotten_from_the_older_generation_too(store: LibraryStore) -> None:
    _filled(store)
    chunks = _reader(store, 12_000)
    rows = sorted(_expected(store))
    for row in rows:
        for include in ASKED:
            chunks.found([row], include)
    assert chunks.nbytes > 6_000, "more than the younger generation may hold"
    chunks.forget(rows)
    assert chunks.nbytes == 0
