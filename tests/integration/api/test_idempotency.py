"""Idempotency-Key: the same request twice is done once."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.integration.api.conftest import problem_of

CHUNK = {"text": "t", "embedding": [1, 2, 3]}
CREATIONS: list[tuple[str, dict[str, Any]]] = [
    ("/documents", {"metadata": {"title": "T"}, "chunks": [CHUNK]}),
    ("/documents/guide/chunks", CHUNK),
    ("/chunks/batch", {"operations": [{"put": {"document_id": "guide", **CHUNK}}]}),
    ("/chunks/delete", {"filter": {"page": 1}}),
]


@pytest.mark.parametrize(("path", "body"), CREATIONS)
def test_the_same_request_brings_back_the_first_answer(
    client: httpx.Client, guide: str, path: str, body: dict[str, Any]
) -> None:
    headers = {"idempotency-key": "key-1"}
    first = client.post(guide + path, json=body, headers=headers)
    assert first.is_success, first.text
    assert "idempotency-replayed" not in first.headers
    client.put(f"{guide}/documents/between", json={})
    again = client.post(guide + path, json=body, headers=headers)
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    assert again.headers.get("location") == first.headers.get("location")
    assert again.headers["idempotency-replayed"] == "true"
    assert client.get(guide).json()["position"] == 3


@pytest.mark.parametrize(("path", "body"), CREATIONS)
def test_the_same_key_with_another_body(client: httpx.Client, guide: str, path: str, body: dict[str, Any]) -> None:
    headers = {"idempotency-key": "key-1"}
    assert client.post(guide + path, json=body, headers=headers).is_success
    other = client.post(guide + path, json={**body, "unknown": 1}, headers=headers)
    problem_of(other, 422, "validation", "/unknown")
    spaced = httpx.Request("POST", "http://test", json=body).content + b" "
    typed = {**headers, "content-type": "application/json"}
    problem_of(client.post(guide + path, content=spaced, headers=typed), 422, "idempotency-key-reused")


def test_keys_belong_to_a_route(client: httpx.Client, guide: str) -> None:
    headers = {"idempotency-key": "shared"}
    for path, body in CREATIONS:
        assert client.post(guide + path, json=body, headers=headers).is_success


def test_creating_a_library_twice(client: httpx.Client) -> None:
    headers = {"idempotency-key": "make-one"}
    first = client.post("/v1/libraries", json={"dimension": 3}, headers=headers)
    client.patch(first.headers["location"], json={"metadata": {"title": "changed"}, "index": {"kind": "flat"}})
    client.put(f"{first.headers['location']}/documents/d", json={"chunks": [CHUNK]})
    again = client.post("/v1/libraries", json={"dimension": 3}, headers=headers)
    assert (again.status_code, again.json()) == (201, first.json())
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert [again.headers[name] for name in ("etag", "location")] == [
        first.headers[name] for name in ("etag", "location")
    ]
    other = client.post("/v1/libraries", json={"dimension": 4}, headers=headers)
    problem_of(other, 422, "idempotency-key-reused")


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\there", "caf\u00e9"])
def test_keys_that_cannot_be(client: httpx.Client, guide: str, key: str) -> None:
    headers = {"idempotency-key": key.encode("latin-1")}
    response = client.post(f"{guide}/documents", json={}, headers=headers)
    problem_of(response, 422, "validation", "/header/Idempotency-Key")
    response = client.post(f"{guide}/import", content=b"", headers={**headers, "content-type": "application/x-ndjson"})
    problem_of(response, 422, "validation", "/header/Idempotency-Key")


def test_the_longest_key(client: httpx.Client, guide: str) -> None:
    response = client.post(f"{guide}/documents", json={}, headers={"idempotency-key": "x" * 255})
    assert response.status_code == 201
