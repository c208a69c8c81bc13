"""What goes over the wire for each method, and what comes back."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import httpx
import numpy as np
import pytest
from quiredb_client import F, UnexpectedAnswer

LIBRARY = {
    "id": "papers",
    "dimension": 3,
    "metric": "cosine",
    "index": {"kind": "auto"},
    "embedder": None,
    "metadata": {"title": "Papers"},
    "document_count": 1,
    "chunk_count": 2,
    "position": 5,
    "version": 4,
    "created_at": "2026-01-01T00:00:00Z",
    "updated_at": "2026-01-02T00:00:00.5Z",
    "colour": "blue",
}
CHUNK = {"id": "c", "document_id": "d", "position": 0, "text": "t", "metadata": {"page": 3}, "version": 9}
PAPERS = "/v1/libraries/papers"
VECTOR = np.array([1, 0.5, -2], dtype=np.float32)
ENCODED = {"b64": base64.b64encode(VECTOR.tobytes()).decode(), "dtype": "f32"}


def test_a_library_is_read_into_types_and_keeps_what_it_does_not_know(server, client) -> None:
    server.route("GET", PAPERS, LIBRARY)
    library = client.libraries.get("papers")
    assert library.metadata["title"] == "Papers"
    assert library.created_at == datetime(2026, 1, 1, tzinfo=UTC)
    assert library.updated_at.microsecond == 500_000
    assert library.embedder is None
    assert library.extra == {"colour": "blue"}


def test_creating_with_an_id_never_replaces_and_without_lets_the_server_choose(server, client) -> None:
    server.route("PUT", PAPERS, LIBRARY, status=201)
    server.route("POST", "/v1/libraries", LIBRARY, status=201)
    client.libraries.create("papers", dimension=3, metric="cosine")
    assert server.requests[-1].headers["if-none-match"] == "*"
    assert server.sent() == {"dimension": 3, "metric": "cosine"}
    client.libraries.create(dimension=3)
    assert "if-none-match" not in server.requests[-1].headers


@pytest.mark.parametrize(("version", "tag"), [(7, '"7"'), ("7", '"7"'), ('"a"', '"a"'), ("*", "*")])
def test_preconditions_are_strong_entity_tags(server, client, version, tag: str) -> None:
    server.route("PUT", f"{PAPERS}/documents/d/chunks/c", CHUNK)
    client.library("papers").document("d").chunks.put("c", text="t", if_match=version)
    assert server.requests[-1].headers["if-match"] == tag


def test_ids_are_escaped_and_those_that_would_name_something_else_refused(server, client) -> None:
    server.route("GET", f"{PAPERS}/documents/a/b:~?", {"id": "a/b:~?"})
    assert client.library("papers").documents.get("a/b:~?").id == "a/b:~?"
    assert server.requests[-1].url.raw_path == b"/v1/libraries/papers/documents/a%2Fb%3A~%3F"
    for name in ("", ".", ".."):
        with pytest.raises(ValueError, match="cannot be an id"):
            client.libraries.delete(name)
    assert len(server.requests) == 1


@pytest.mark.parametrize("vector", [VECTOR, VECTOR.tolist(), VECTOR.astype(np.float64), ENCODED])
def test_vectors_of_every_kind_are_sent_as_float32(server, client, vector) -> None:
    server.route("POST", f"{PAPERS}/search", {"hits": []})
    client.library("papers").search(vector=vector)
    assert server.sent() == {"vector": ENCODED, "k": 10}


@pytest.mark.parametrize("wire", [VECTOR.tolist(), ENCODED])
def test_embeddings_come_back_as_float32_arrays(server, client, wire) -> None:
    server.route("GET", f"{PAPERS}/chunks/c", {**CHUNK, "embedding": wire})
    embedding = client.library("papers").chunks.get("c", include=["embedding"]).embedding
    assert dict(server.requests[-1].url.params) == {"include": "embedding", "vector_encoding": "b64"}
    assert embedding.dtype == np.float32
    np.testing.assert_array_equal(embedding, VECTOR)


def test_half_precision_is_read_and_unknown_formats_refused(server, client) -> None:
    half = {"b64": base64.b64encode(VECTOR.astype("<f2").tobytes()).decode(), "dtype": "f16"}
    server.route("GET", f"{PAPERS}/chunks/c", {**CHUNK, "embedding": half})
    np.testing.assert_array_equal(client.library("papers").chunks.get("c").embedding, VECTOR)
    server.route("GET", f"{PAPERS}/chunks/c", {**CHUNK, "embedding": {**half, "dtype": "i8"}})
    with pytest.raises(UnexpectedAnswer, match="i8"):
        client.library("papers").chunks.get("c")


def test_a_search_says_everything_and_reads_everything(server, client) -> None:
    hit = {"id": "c", "document_id": "d", "score": 0.9, "distance": 0.1, "text": "t", "metadata": {"page": 3}}
    answer = {"hits": [{**hit, "document": {"id": "d"}}], "position": 5, "took_ms": 0.4, "plan": {"kind": "flat"}}
    server.route("POST", f"{PAPERS}/search", answer)
    result = client.library("papers").search(
        text="what", k=3, filter=F.page >= 3, recall=0.95, include=["text", "document"], explain=True
    )
    assert server.sent() == {
        "text": "what",
        "k": 3,
        "filter": {"page": {"gte": 3}},
        "recall": 0.95,
        "include": ["text", "document"],
        "explain": True,
    }
    assert "idempotency-key" not in server.requests[-1].headers
    assert (result.ids, len(result), result[0].document.id) == (["c"], 1, "d")
    assert (result.plan, result.position, [hit.score for hit in result]) == ({"kind": "flat"}, 5, [0.9])


def test_searches_that_cannot_be_meant_are_refused_before_they_are_sent(server, client) -> None:
    library = client.library("papers")
    for arguments in ({}, {"vector": VECTOR, "text": "t"}, {"text": "t", "recall": 0.9, "exact": True}):
        with pytest.raises(ValueError, match=r"vector=|recall="):
            library.search(**arguments)
    with pytest.raises(ValueError, match="shape"):
        library.search(vector=np.ones((2, 3)))
    with pytest.raises(ValueError, match="exactly one"):
        library.search_batch(vectors=np.ones((2, 3)), texts=["a"])
    with pytest.raises(ValueError, match=r"\(count, dimension\)"):
        library.search_batch(vectors=np.ones(3))
    assert server.requests == []


def test_a_batch_takes_an_array_texts_or_whole_searches(server, client) -> None:
    server.route("POST", f"{PAPERS}/search/batch", {"results": [{"hits": []}, {"hits": []}]})
    library = client.library("papers")
    assert len(library.search_batch(vectors=np.stack([VECTOR, VECTOR]), k=2)) == 2
    assert server.sent() == {"searches": [{"k": 2, "vector": ENCODED}] * 2}
    library.search_batch(texts=["a", "b"], filter={"page": 1})
    assert server.sent()["searches"][1] == {"k": 10, "filter": {"page": 1}, "text": "b"}
    library.search_batch([{"vector": VECTOR, "k": 1}, {"text": "t"}], exact=True)
    assert server.sent()["searches"] == [
        {"k": 1, "exact": True, "vector": ENCODED},
        {"k": 10, "exact": True, "text": "t"},
    ]


def test_a_batch_beyond_the_servers_limit_is_cut_and_joined_in_order(server, client) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        searches = server.sent()["searches"]
        return httpx.Response(200, json={"results": [{"hits": [], "took_ms": int(one["text"])} for one in searches]})

    server.route("POST", f"{PAPERS}/search/batch", answer)
    results = client.library("papers").search_batch(texts=[str(number) for number in range(600)])
    assert [result.took_ms for result in results] == list(range(600))
    assert len(server.requests) == 3


def test_a_patch_is_a_merge_patch_that_can_remove(server, client) -> None:
    server.route("PATCH", f"{PAPERS}/documents/d", {"id": "d", "metadata": {}})
    client.library("papers").documents.patch("d", metadata={"title": "t", "author": None}, if_match=3)
    assert server.requests[-1].headers["content-type"] == "application/merge-patch+json"
    assert server.sent() == {"metadata": {"title": "t", "author": None}}


def test_an_atomic_batch_encodes_its_vectors(server, client) -> None:
    server.route("POST", f"{PAPERS}/chunks/batch", {"position": 6})
    put = {"put": {"id": "c", "document_id": "d", "text": "t", "embedding": VECTOR}}
    report = client.library("papers").chunks.batch([put, {"delete": {"id": "x"}}])
    assert server.sent()["operations"][0]["put"]["embedding"] == ENCODED
    assert server.sent()["operations"][1] == {"delete": {"id": "x"}}
    assert report.position == 6
    assert put["put"]["embedding"] is VECTOR


def test_count_delete_stats_index_and_recall(server, client) -> None:
    library = client.library("papers")
    server.route("POST", f"{PAPERS}/count", {"count": 12, "position": 5})
    assert library.count(F.page > 1) == 12
    server.route("POST", f"{PAPERS}/chunks/delete", {"matched": 3, "deleted": 0, "position": 6})
    report = library.delete_where(F.page > 1, dry_run=True)
    assert (report.matched, report.deleted) == (3, 0)
    assert server.sent() == {"filter": {"page": {"gt": 1}}, "dry_run": True}
    assert "idempotency-key" in server.requests[-1].headers
    server.route("GET", f"{PAPERS}/stats", {"chunk_count": 2, "unheard_of": 1})
    assert library.stats().extra == {"unheard_of": 1}
    server.route("GET", f"{PAPERS}/index", {"kind": "graph", "state": "building", "progress": 0.5})
    assert library.index.get().progress == 0.5
    server.route("PUT", f"{PAPERS}/index", {"id": "j", "state": "queued"}, status=202)
    assert not library.index.configure(kind="graph", parameters={"degree": 32}).finished
    server.route("POST", f"{PAPERS}/recall", {"recall": 0.97, "k": 10, "queries": 2, "exact_ms": 1.0})
    measured = library.recall(queries=np.stack([VECTOR, VECTOR]), k=10)
    assert (measured.recall, measured.extra) == (0.97, {"exact_ms": 1.0})
    assert server.sent() == {"queries": [ENCODED] * 2, "k": 10}
