"""What is deleted gives its space back, on disk and in memory, without being asked."""

from __future__ import annotations

import numpy as np
from quiredb_client import Client, F, Stats

from tests.e2e.contents import assert_searches_are_exact
from tests.e2e.server import Server, until

DIMENSION = 128
CHUNKS = 6_000


def memory(stats: Stats) -> int:
    """Bytes of the index that searches hold, including rows that wait to be indexed."""
    return sum(stats.memory_bytes.values())


def test_deleting_half_gives_back_two_fifths(server: Server, client: Client, name: str) -> None:
    random = np.random.default_rng(2)
    rows = random.standard_normal((CHUNKS, DIMENSION)).astype(np.float32)
    client.libraries.create(name, dimension=DIMENSION)
    library = client.library(name)
    library.upsert_many(
        {
            "id": f"c{number:04}",
            "document_id": f"d{number % 60}",
            "text": f"text of chunk {number} " * 10,
            "embedding": row,
            "metadata": {"page": number, "tags": [f"tag{number % 5}"], "attributes": {"half": number % 2}},
        }
        for number, row in enumerate(rows)
    )
    client.jobs.wait(library.index.configure(kind="auto"), timeout=60)
    until(lambda: library.stats().dead_bytes == 0)
    disk, before = server.disk_bytes(), library.stats()
    assert before.disk_bytes is not None
    assert memory(before) >= CHUNKS * DIMENSION

    assert library.delete_where(F.attributes.half == 1).deleted == CHUNKS // 2

    def given_back() -> bool:
        after = library.stats()
        assert after.disk_bytes is not None
        assert before.disk_bytes is not None
        return (
            server.disk_bytes() <= 0.6 * disk
            and after.disk_bytes <= 0.6 * before.disk_bytes
            and memory(after) <= 0.6 * memory(before)
        )

    until(given_back)
    contents = assert_searches_are_exact(client, name, random.standard_normal((20, DIMENSION)).astype(np.float32))
    assert contents.ids == [f"c{number:04}" for document in sorted(map(str, range(60))) for number in of(document)]
    assert library.stats().dead_chunk_count == 0


def of(document: str) -> range:
    """The numbers of the chunks that are left of a document."""
    number = int(document)
    return range(number, CHUNKS, 60) if number % 2 == 0 else range(0)
