"""Documents and chunks: written, read, ordered, changed, removed."""

from __future__ import annotations

import httpx
import pytest

from tests.integration.api.conftest import problem_of


def test_a_document_with_chunks_in_one_commit(client: httpx.Client, library: str) -> None:
    metadata = {
        "title": "T",
        "source": "s",
        "author": "a",
        "language": "en",
        "published_at": "2026-01-31T12:00:00.000000Z",
        "tags": ["x", "y"],
        "attributes": {"when": "2026-01-31T12:00:00Z", "n": 1},
    }
    chunks = [{"id": f"c{i}", "text": f"t{i}", "embedding": [1, 2, i]} for i in range(3)]
    created = client.put(f"{library}/documents/d", json={"metadata": metadata, "chunks": chunks})
    assert created.status_code == 201
    assert created.headers["x-quire-position"] == "1"
    document = created.json()
    assert (document["id"], document["metadata"], document["chunk_count"]) == ("d", metadata, 3)
    assert client.get(f"{library}/documents/d").json() == document

    replaced = client.put(f"{library}/documents/d", json={"chunks": chunks[1:2]})
    assert (replaced.status_code, replaced.json()["chunk_count"], replaced.json()["metadata"]) == (200, 1, {})
    assert replaced.json()["created_at"] == document["created_at"]
    problem_of(client.get(f"{library}/chunks/c0"), 404, "not-found")
    kept = client.put(f"{library}/documents/d", json={"metadata": {"title": "kept"}})
    assert kept.json()["chunk_count"] == 1


def test_ids_are_made_when_none_are_given(client: httpx.Client, library: str) -> None:
    created = client.post(f"{library}/documents", json={"chunks": [{"text": "t", "embedding": [1, 2, 3]}]})
    assert created.status_code == 201
    assert created.headers["location"] == f"{library}/documents/{created.json()['id']}"
    listed = client.get(f"{created.headers['location']}/chunks").json()["items"]
    assert [chunk["text"] for chunk in listed] == ["t"]


def test_creating_what_exists(client: httpx.Client, guide: str) -> None:
    problem_of(client.post(f"{guide}/documents", json={"id": "guide"}), 409, "conflict")
    response = client.post(f"{guide}/documents/guide/chunks", json={"id": "g0", "text": "t", "embedding": [1, 2, 3]})
    problem_of(response, 409, "conflict")


def test_patching_metadata_keeps_the_chunks(client: httpx.Client, guide: str) -> None:
    patched = client.patch(f"{guide}/documents/guide", json={"metadata": {"title": None, "author": "A"}})
    assert patched.json()["metadata"] == {"author": "A", "tags": ["a"]}
    assert patched.json()["chunk_count"] == 3
    problem_of(client.patch(f"{guide}/documents/guide", json={"chunks": []}), 422, "validation", "/chunks")
    problem_of(client.patch(f"{guide}/documents/none", json={}), 404, "not-found")


def test_deleting_a_document_removes_its_chunks(client: httpx.Client, guide: str) -> None:
    deleted = client.delete(f"{guide}/documents/guide")
    assert (deleted.status_code, deleted.headers["x-quire-position"], deleted.content) == (204, "2", b"")
    assert client.post(f"{guide}/count", json={}).json()["count"] == 0
    problem_of(client.delete(f"{guide}/documents/guide"), 404, "not-found")


def test_chunks_are_listed_in_order(client: httpx.Client, guide: str) -> None:
    chunks = f"{guide}/documents/guide/chunks"
    first = client.post(chunks, json={"id": "first", "text": "t", "embedding": [1, 2, 3], "position": 0})
    last = client.post(chunks, json={"id": "last", "text": "t", "embedding": [1, 2, 3]})
    assert (first.status_code, last.headers["location"]) == (201, f"{chunks}/last")
    listed = client.get(chunks).json()
    assert [chunk["id"] for chunk in listed["items"]] == ["first", "g0", "g1", "g2", "last"]
    assert listed["next_cursor"] is None


def test_embeddings_come_when_they_are_included(client: httpx.Client, guide: str) -> None:
    one = f"{guide}/documents/guide/chunks/g1"
    assert "embedding" not in client.get(one).json()
    assert client.get(f"{one}?include=embedding").json()["embedding"] == [1.0, 1.0, 0.0]
    encoded = client.get(f"{guide}/chunks/g1?include=embedding&vector_encoding=b64").json()["embedding"]
    assert encoded == {"b64": "AACAPwAAgD8AAAAA", "dtype": "f32"}
    listed = client.get(f"{guide}/documents/guide/chunks?include=embedding").json()["items"]
    assert [chunk["embedding"] for chunk in listed] == [[1.0, i, 0.0] for i in range(3)]
    problem_of(client.get(f"{one}?include=text"), 422, "validation")


def test_a_chunk_is_found_under_its_own_document_only(client: httpx.Client, guide: str) -> None:
    client.put(f"{guide}/documents/other", json={})
    problem_of(client.get(f"{guide}/documents/other/chunks/g1"), 404, "not-found")
    problem_of(client.delete(f"{guide}/documents/other/chunks/g1"), 404, "not-found")
    body = {"text": "t", "embedding": [1, 2, 3]}
    problem_of(client.put(f"{guide}/documents/other/chunks/g1", json=body), 409, "conflict")
    problem_of(client.put(f"{guide}/documents/none/chunks/new", json=body), 404, "not-found")
    problem_of(client.get(f"{guide}/documents/none/chunks"), 404, "not-found")


def test_patching_a_chunk(client: httpx.Client, guide: str) -> None:
    one = f"{guide}/documents/guide/chunks/g1"
    patched = client.patch(one, json={"metadata": {"page": None, "name": "n"}, "position": 9})
    assert (patched.json()["metadata"], patched.json()["position"]) == ({"name": "n"}, 9)
    read = client.get(f"{one}?include=embedding").json()
    assert (read["text"], read["embedding"]) == ("text 1", [1.0, 1.0, 0.0])

    patched = client.patch(one, json={"embedding": {"b64": "AACAPwAAgD8AAIA/", "dtype": "f32"}})
    assert patched.json()["metadata"] == {"name": "n"}
    assert client.get(f"{one}?include=embedding").json()["embedding"] == [1.0, 1.0, 1.0]
    changed = client.patch(one, json={"text": "other", "embedding": [1, 2, 3]})
    assert changed.json()["text"] == "other"


@pytest.mark.parametrize(
    ("patch", "pointer"),
    [
        ({"text": None}, "/text"),
        ({"text": "a new text and no embedder"}, "/embedding"),
        ({"embedding": None}, "/embedding"),
        ({"embedding": [1]}, "/embedding"),
        ({"embedding": ["x"]}, "/embedding/0"),
        ({"id": "another"}, "/id"),
        ({"document_id": "other"}, "/document_id"),
        ({"position": -1}, "/position"),
    ],
)
def test_chunk_patches_that_cannot_be(client: httpx.Client, guide: str, patch: dict[str, object], pointer: str) -> None:
    before = client.get(f"{guide}/chunks/g1?include=embedding").json()
    problem_of(client.patch(f"{guide}/documents/guide/chunks/g1", json=patch), 422, "validation", pointer)
    assert client.get(f"{guide}/chunks/g1?include=embedding").json() == before


def test_a_batch_is_one_commit(client: httpx.Client, guide: str) -> None:
    operations = [
        {"put": {"id": "new", "document_id": "guide", "text": "t", "embedding": [1, 2, 3], "if_absent": True}},
        {"put": {"id": "g0", "document_id": "guide", "text": "t", "embedding": [1, 2, 3], "if_version": 1}},
        {"delete": {"id": "g1"}},
        {"delete": {"id": "never-was"}},
    ]
    answered = client.post(f"{guide}/chunks/batch", json={"operations": operations})
    assert answered.json() == {
        "results": [
            {"id": "new", "status": "created", "version": 2},
            {"id": "g0", "status": "replaced", "version": 2},
            {"id": "g1", "status": "deleted"},
            {"id": "never-was", "status": "absent"},
        ],
        "position": 2,
    }
    problem_of(client.post(f"{guide}/chunks/batch", json={"operations": operations[:1]}), 412, "precondition-failed")
    assert client.get(guide).json()["position"] == 2
