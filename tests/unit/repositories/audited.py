"""Libraries whose searches are recorded, for tests of the audit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from quiredb.domain.commands import CreateLibrary, NewChunk, PutChunk
from quiredb.domain.filter_parsing import parse_filter
from quiredb.domain.library import IndexKind, IndexSpec
from quiredb.domain.metadata import ChunkMetadata, LibraryMetadata
from quiredb.domain.metric import Metric
from quiredb.engine.building import Progress
from quiredb.engine.searching import Nearest
from quiredb.repositories.auditing import audit_next
from quiredb.repositories.libraries import LibraryRepository
from quiredb.repositories.open_library import OpenLibrary
from quiredb.repositories.segments import rebuild
from tests.unit.engine.rows import START, vector_bytes
from tests.unit.repositories.libraries import batch

DIMENSION, ROWS, ASKED = 32, 3_000, 0.95
QUIET = Progress(report=lambda _: None, cancelled=lambda: False)
Floats = NDArray[np.float32]


def normal(count: int, seed: int) -> Floats:
    return np.random.default_rng(seed).standard_normal((count, DIMENSION)).astype(np.float32)


def filled(repository: LibraryRepository, kind: IndexKind) -> OpenLibrary:
    library, _ = repository.create(
        CreateLibrary("library", DIMENSION, Metric.L2, IndexSpec(kind), None, LibraryMetadata(), START)
    )
    vectors = normal(ROWS, seed=1)
    for start in range(0, ROWS, 1_000):
        chunks = [
            NewChunk(
                f"chunk-{number:06d}",
                "text",
                vector_bytes(vectors[number]),
                ChunkMetadata(page=number % 10, attributes={"number": number}),
            )
            for number in range(start, start + 1_000)
        ]
        library.submit(batch(*(PutChunk("document", chunk, create_document=True) for chunk in chunks)))
    rebuild(library, QUIET)
    return library


def search(library: OpenLibrary, queries: Floats, recall: float | None = ASKED, **fields: object) -> None:
    for query in queries:
        library.search(library.view(), Nearest(query, 10, recall), parse_filter(fields) if fields else None)


def audit(library: OpenLibrary) -> None:
    while library.auditor.waits():
        audit_next(library)
