"""Loading many vectors from a generator, watching the progress, and measuring the recall afterwards.

    python examples/03_bulk_load.py [CHUNKS]

The vectors are random around a few hundred centres, which is roughly how embeddings lie.
"""

import sys
from collections.abc import Iterator

import numpy as np
from sample import connect, delete_if_there

DIMENSION = 128
CHUNKS = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
CHUNKS_PER_DOCUMENT = 50


def documents(chunks: int) -> Iterator[dict]:
    """Documents one after the other; nothing but the batch that is being sent is kept in memory."""
    random = np.random.default_rng(7)
    centres = random.standard_normal((200, DIMENSION))
    for start in range(0, chunks, CHUNKS_PER_DOCUMENT):
        count = min(CHUNKS_PER_DOCUMENT, chunks - start)
        vectors = centres[random.integers(0, 200, count)] + 0.5 * random.standard_normal((count, DIMENSION))
        yield {
            "id": f"document-{start}",
            "chunks": [
                {"id": f"chunk-{start + place}", "text": f"Chunk {start + place}.", "embedding": vector}
                for place, vector in enumerate(vectors.astype(np.float32))
            ],
        }


with connect() as client:
    delete_if_there(client, "bulk")
    client.libraries.create("bulk", dimension=DIMENSION, metric="cosine")
    bulk = client.library("bulk")

    report = bulk.upsert_many(documents(CHUNKS), progress=True)
    print(f"{report.chunks:,} chunks in {report.seconds:.1f} s: {report.chunks / report.seconds:,.0f} a second.")
    for item in report.failed[:3]:
        print(f"  not written: item {item.index}: {item.detail}")

    measured = bulk.recall(sample=50, k=10)
    print(f"Of the true ten nearest of 50 chunks, searches find {measured.recall:.1%}.")
