"""Readers hold a position while the writer goes on and housekeeping clears up behind them."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from quiredb.domain.commands import DeleteChunk
from quiredb.storage.library_store import LibraryStore
from tests.unit.storage.building import put, write

CHUNKS = 40
COMMITS = 60
READERS = 3


class Horizon:
    """The oldest position that a reader holds; the writer may purge what died by then."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[int, int] = {}

    def hold(self, reader: int, store: LibraryStore) -> int:
        with self._lock:
            self._held[reader] = store.library().position
            return self._held[reader]

    def oldest(self, store: LibraryStore) -> int:
        with self._lock:
            return min([store.library().position, *self._held.values()])


def test_a_held_position_never_changes_under_its_reader(store: LibraryStore) -> None:
    write(store, *(put(f"c{number}", f"d{number % 3}", text="1") for number in range(CHUNKS)))
    horizon = Horizon()
    finished = threading.Event()

    def read(reader: int) -> int:
        reads = 0
        while not finished.is_set() or reads == 0:
            at = horizon.hold(reader, store)
            digest = store.digest(at)
            chunks = [row.chunk for rows in store.live_chunk_rows(0, None, at) for row in rows]
            # Each commit writes its position into every chunk and leaves out the one whose number it is.
            texts = {chunk.text for chunk in chunks}
            assert texts == {str(at)}
            assert len(chunks) == (CHUNKS if at == 1 else CHUNKS - 1)
            assert sum(document.chunk_count for document in store.documents(at, None, 9)) == len(chunks)
            assert store.digest(at) == digest
            reads += 1
        return reads

    with ThreadPoolExecutor(READERS) as readers:
        reading = [readers.submit(read, reader) for reader in range(READERS)]
        try:
            for at in range(2, COMMITS):
                kept = [number for number in range(CHUNKS) if number != at % CHUNKS]
                write(
                    store,
                    *(put(f"c{number}", f"d{number % 3}", text=str(at)) for number in kept),
                    DeleteChunk(f"c{at % CHUNKS}", missing_ok=True),
                )
                store.purge(horizon.oldest(store), 200)
                store.repack(200)
                store.release_pages(20)
        finally:
            finished.set()
        assert all(done.result() > 0 for done in reading)
    assert store.chunk("c1", COMMITS - 1) is not None
