"""The SDK against a real server: every resource and verb."""

from __future__ import annotations

import numpy as np
import pytest
from quiredb_client import (
    Client,
    Conflict,
    F,
    JobFailed,
    NotFound,
    PreconditionFailed,
    ValidationFailed,
)

from tests.e2e.server import until
from tests.reference.exact_search import nearest

DIMENSION = 24


def rows_of(count: int, seed: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, DIMENSION)).astype(np.float32)


def fill(client: Client, name: str, rows: np.ndarray, metric: str = "cosine") -> None:
    """A library of one chunk for each row, fifty to a document."""
    client.libraries.create(name, dimension=DIMENSION, metric=metric)
    chunks = [
        {
            "id": f"c{number:05}",
            "document_id": f"d{number // 50:03}",
            "text": f"text {number}",
            "embedding": row,
            "metadata": {"page": number, "tags": ["even" if number % 2 == 0 else "odd"]},
        }
        for number, row in enumerate(rows)
    ]
    client.library(name).upsert_many(chunks, on_error="raise")


def test_libraries(client: Client, name: str) -> None:
    made = client.libraries.create(name, dimension=3, metric="l2", metadata={"title": "One", "tags": ["a"]})
    assert (made.id, made.dimension, made.metric, made.metadata) == (name, 3, "l2", {"title": "One", "tags": ["a"]})
    unnamed = client.libraries.create(dimension=2)
    assert client.libraries.get(unnamed.id) == unnamed
    with pytest.raises(PreconditionFailed):
        client.libraries.create(name, dimension=3)
    with pytest.raises(Conflict):
        client.libraries.put(name, dimension=4, metric="l2")

    patched = client.libraries.patch(name, metadata={"title": "Two", "tags": None}, if_match=made.version)
    assert (patched.metadata, patched.version > made.version) == ({"title": "Two"}, True)
    with pytest.raises(PreconditionFailed):
        client.libraries.patch(name, metadata={"title": "Three"}, if_match=made.version)
    replaced = client.libraries.put(name, dimension=3, metric="l2", metadata={"description": "new"})
    assert replaced.metadata == {"description": "new"}
    assert {name, unnamed.id} <= {library.id for library in client.libraries.list(page_size=1)}

    client.libraries.delete(unnamed.id)
    with pytest.raises(NotFound):
        client.libraries.get(unnamed.id)
    with pytest.raises(NotFound):
        client.libraries.delete(unnamed.id)


def test_documents(client: Client, name: str) -> None:
    client.libraries.create(name, dimension=2)
    documents = client.library(name).documents
    chunks = [{"id": "a", "text": "one", "embedding": [1, 0]}, {"id": "b", "text": "two", "embedding": [0, 1]}]

    made = documents.create("d1", metadata={"title": "T", "attributes": {"year": 2020}}, chunks=chunks)
    assert (made.id, made.chunk_count, made.metadata["attributes"]) == ("d1", 2, {"year": 2020})
    assert documents.create(metadata={"title": "unnamed"}).id not in {"", "d1"}
    with pytest.raises(PreconditionFailed):
        documents.put("d1", if_none_match="*")
    patched = documents.patch("d1", metadata={"author": "A", "title": None}, if_match=made.version)
    assert patched.metadata == {"author": "A", "attributes": {"year": 2020}}
    with pytest.raises(PreconditionFailed):
        documents.delete("d1", if_match=made.version)
    replaced = documents.put("d1", chunks=[{"id": "c", "text": "three", "embedding": [1, 1]}])
    assert (replaced.metadata, replaced.chunk_count) == ({}, 1)
    with pytest.raises(NotFound):
        client.library(name).chunks.get("a")

    documents.delete("d1", if_match=replaced.version)
    with pytest.raises(NotFound):
        documents.get("d1")
    assert client.library(name).count() == 0


def test_chunks(client: Client, name: str) -> None:
    client.libraries.create(name, dimension=2)
    library = client.library(name)
    library.documents.put("d")
    chunks = library.document("d").chunks

    first = chunks.create("a", text="first", embedding=[1, 0], metadata={"page": 1})
    unnamed = chunks.create(text="last", embedding=[0, 1])
    between = chunks.put("b", text="between", embedding=[1, 1], position=0)
    assert [chunk.id for chunk in chunks.list()] == ["a", "b", unnamed.id]
    with pytest.raises(PreconditionFailed):
        chunks.create("a", text="again", embedding=[1, 0])
    with pytest.raises(ValidationFailed):
        chunks.create("e", text="no embedder, no embedding")
    assert first.embedding is None

    patched = chunks.patch("b", metadata={"section": "S"}, if_match=between.version)
    assert (patched.text, patched.metadata, patched.position) == ("between", {"section": "S"}, 0)
    with pytest.raises(PreconditionFailed):
        chunks.put("b", text="x", embedding=[1, 1], if_match=between.version)
    got = library.chunks.get("b", include=["embedding"])
    assert got.embedding is not None
    assert (got.embedding.tolist(), got.document_id) == ([1.0, 1.0], "d")
    chunks.delete("a", if_match=first.version)
    with pytest.raises(NotFound):
        chunks.get("a")

    put = {"id": "z", "document_id": "d", "text": "t", "embedding": [1, 0]}
    assert len(library.chunks.batch([{"put": put}, {"delete": {"id": "b"}}]).results) == 2
    with pytest.raises(ValidationFailed):
        library.chunks.batch([{"delete": {"id": "z"}}, {"put": {**put, "id": "y", "embedding": [1, 0, 0]}}])
    assert {chunk.id for chunk in chunks.list()} == {"z", unnamed.id}, "a refused batch writes nothing"


@pytest.mark.parametrize("metric", ["cosine", "l2", "dot"])
def test_search_is_exact_filtered_and_batched(client: Client, name: str, metric: str) -> None:
    rows, queries = rows_of(700), rows_of(20, seed=4)
    fill(client, name, rows, metric)
    library = client.library(name)
    library.documents.patch("d003", metadata={"author": "Ada"})
    even, ada = range(0, 700, 2), range(150, 200)

    found = library.search_batch(vectors=queries, k=10, exact=True)
    assert [result.ids for result in found] == [
        [f"c{row:05}" for _, row in nearest(query, rows, metric, 10)] for query in queries
    ]
    for query in queries[:5]:
        for filter_, allowed in ((F.tags.contains("even"), even), (F.doc.author == "Ada", ada), (F.page > 10_000, ())):
            expected = nearest(query, rows, metric, 10, allowed)
            result = library.search(vector=query, k=10, filter=filter_, recall=0.99)
            assert result.ids == [f"c{row:05}" for _, row in expected]
            np.testing.assert_allclose(
                [hit.distance for hit in result], [one for one, _ in expected], rtol=1e-4, atol=1e-5
            )
    mixed = library.search_batch(
        [{"vector": queries[0], "k": 1}, {"vector": queries[1], "filter": F.page == 77}], k=3, include=["document"]
    )
    assert [len(result) for result in mixed] == [1, 1]
    assert mixed[1][0].document is not None
    assert (mixed[1].ids, mixed[1][0].document.id, mixed[1][0].text) == (["c00077"], "d001", None)
    assert library.search(vector=queries[0], explain=True).plan is not None


def test_embeddings_come_back_bit_for_bit(client: Client, name: str) -> None:
    rows = rows_of(120)
    fill(client, name, rows)
    library = client.library(name)

    hits = library.search(vector=rows[0], k=120, exact=True, include=["embedding"])
    scanned = {chunk.id: chunk.embedding for chunk in library.scan(include=["embedding"], page_size=50)}
    listed = {chunk.id: chunk.embedding for chunk in library.document("d000").chunks.list(include=["embedding"])}

    for found in ({hit.id: hit.embedding for hit in hits}, scanned, listed):
        for identifier, embedding in found.items():
            assert embedding is not None
            assert embedding.tobytes() == rows[int(identifier[1:])].tobytes()
    assert (len(hits), len(scanned), len(listed)) == (120, 120, 50)


def test_filters_count_scan_and_delete(client: Client, name: str) -> None:
    fill(client, name, rows_of(200))
    library = client.library(name)

    assert library.count() == 200
    assert library.count((F.page >= 100) & F.tags.contains("odd")) == 50
    assert library.count(~F.page.between(50, 149) | (F.page == 60)) == 101
    assert library.count(F.text.ends_with("7") & F("document_id").in_(["d000"])) == 5
    assert [chunk.id for chunk in library.scan(F.page < 3)] == ["c00000", "c00001", "c00002"]
    assert library.delete_where(F.page < 20, dry_run=True).matched == 20
    assert library.count() == 200
    assert library.delete_where(F.page < 20).deleted == 20
    assert library.count(F.page < 30) == 10
    with pytest.raises(ValidationFailed) as refused:
        library.count(F.page == "three")
    assert refused.value.errors[0].pointer.startswith("/filter")


def test_recall_index_jobs_and_stats(client: Client, name: str) -> None:
    fill(client, name, rows_of(1_500))
    library = client.library(name)

    job = library.index.configure(kind="graph", parameters={"degree": 16, "build_effort": 64})
    assert (job.kind, job.library) == ("index", name)
    ended = client.jobs.wait(job, timeout=120)
    assert (ended.state, ended.done, ended.finished) == ("succeeded", ended.total, True)
    assert job.id in {one.id for one in client.jobs.list(page_size=1)}
    with pytest.raises(Conflict):
        client.jobs.cancel(job.id)
    with pytest.raises(NotFound):
        client.jobs.wait("absent", timeout=1)

    index = library.index.get()
    assert (index.kind, index.parameters) == ("graph", {"degree": 16, "build_effort": 64})
    assert [segment["kind"] for segment in index.segments] == ["graph"]
    report = library.recall(sample=50, k=10)
    assert (report.queries, report.k) == (50, 10)
    assert report.recall >= 0.9
    assert library.recall(queries=rows_of(5, seed=6), k=3).queries == 5

    library.delete_where(F.page < 100)
    stats = library.stats()
    assert (stats.chunk_count, stats.document_count, stats.recall is not None) == (1_400, 30, True)
    assert stats.dead_chunk_count is not None
    assert 0 <= stats.dead_chunk_count <= 100
    assert set(stats.memory_bytes) == {"hot", "cold", "fresh", "found"}
    assert stats.extra == {}, "every number of the server has a name in the SDK"
    until(lambda: library.index.get().state == "ready")


def test_a_cancelled_job_is_a_failed_wait(client: Client, name: str) -> None:
    fill(client, name, rows_of(1_200))
    library = client.library(name)
    jobs = [library.index.configure(kind=kind) for kind in ("graph", "flat", "graph", "flat")]

    client.jobs.cancel(jobs[-1].id)

    with pytest.raises(JobFailed) as failed:
        client.jobs.wait(jobs[-1], timeout=120)
    assert failed.value.job.state == "cancelled"
    for job in jobs:
        if job.id != jobs[-1].id:  # requests that had not begun share one job
            assert client.jobs.wait(job, timeout=120).state == "succeeded"


def test_the_server_tells_about_itself(client: Client) -> None:
    assert client.ready()
    assert client.version()["api"] == "1"
    assert client.limits()
