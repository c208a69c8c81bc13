"""Search, count, scan, delete by filter and recall, against brute force."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import orjson
import pytest

from tests.integration.api.conftest import problem_of

DIMENSION = 8
COUNT = 60


@pytest.fixture
def vectors() -> np.ndarray[Any, Any]:
    return np.random.default_rng(7).standard_normal((COUNT, DIMENSION)).astype("<f4")


@pytest.fixture
def filled(client: httpx.Client, make_library: Callable[..., str], vectors: np.ndarray[Any, Any]) -> str:
    library = make_library(DIMENSION)
    for document in range(3):
        rows = range(document, COUNT, 3)
        chunks = [
            {"id": f"c{i:02}", "text": f"text {i}", "embedding": vectors[i].tolist(), "metadata": {"page": i}}
            for i in rows
        ]
        body = {"metadata": {"title": f"D{document}"}, "chunks": chunks}
        assert client.put(f"{library}/documents/d{document}", json=body).status_code == 201
    return library


def _nearest(vectors: np.ndarray[Any, Any], query: np.ndarray[Any, Any], rows: list[int], k: int) -> list[str]:
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    distances = 1 - unit @ (query / np.linalg.norm(query))
    return [f"c{i:02}" for i in sorted(rows, key=lambda i: (distances[i], i))[:k]]


def test_hits_are_those_of_brute_force(client: httpx.Client, filled: str, vectors: np.ndarray[Any, Any]) -> None:
    query = vectors[5] + 0.1
    body = {"vector": query.tolist(), "k": 7, "filter": {"page": {"lt": 40}}, "exact": True, "explain": True}
    found = client.post(f"{filled}/search", json=body).json()
    assert [hit["id"] for hit in found["hits"]] == _nearest(vectors, query, list(range(40)), 7)
    assert found["plan"]["matching"] == 40
    assert found["position"] == 3
    assert found["hits"][0].keys() == {"id", "document_id", "score", "distance", "position", "text", "metadata"}
    for hit in found["hits"]:
        assert hit["score"] == pytest.approx(1 - hit["distance"])


def test_a_hit_carries_what_was_asked_for(client: httpx.Client, filled: str, vectors: np.ndarray[Any, Any]) -> None:
    sent = {"b64": base64.b64encode(vectors[0].tobytes()).decode(), "dtype": "f32"}
    body = {"vector": sent, "k": 1, "include": ["embedding", "document"]}
    hit = client.post(f"{filled}/search", json=body).json()["hits"][0]
    assert hit["embedding"] == pytest.approx(vectors[0].tolist())
    assert hit["document"]["metadata"] == {"title": "D0"}
    assert "text" not in hit
    hit = client.post(f"{filled}/search", json={**body, "vector_encoding": "b64"}).json()["hits"][0]
    assert hit["embedding"] == sent
    hit = client.post(f"{filled}/search", json={**body, "include": []}).json()["hits"][0]
    assert hit.keys() == {"id", "document_id", "score", "distance", "position"}


@pytest.mark.parametrize("path", ["search", "search/batch"])
def test_an_answer_is_written_as_its_values_are(client: httpx.Client, filled: str, path: str) -> None:
    texts = ['"quoted" \\ /', "line\nline\t\u0000", "ü€😀", "", "],[ }{"]
    chunks = [
        {"text": text, "embedding": [1] * DIMENSION, "metadata": {"name": text, "attributes": {"of": text}}}
        for text in texts
    ]
    assert client.put(f"{filled}/documents/odd", json={"chunks": chunks}).status_code == 201
    everything = ["text", "metadata", "embedding", "document"]
    search = {"vector": [1] * DIMENSION, "k": 5, "exact": True, "include": everything, "explain": True}
    nothing = {"vector": [1] * DIMENSION, "filter": {"page": 999}}
    body = search if path == "search" else {"searches": [search, nothing, {**search, "include": []}, search]}
    for _ in range(2):
        response = client.post(f"{filled}/{path}", json=body)
        content = orjson.loads(response.content)
        assert orjson.dumps(content) == response.content
        assert response.headers["content-length"] == str(len(response.content))
        assert response.headers["content-type"] == "application/json"
        results = [content] if path == "search" else content["results"]
        assert [len(result["hits"]) for result in results] == [5, 0, 5, 5][: len(results)]
        assert response.headers["x-quire-position"] == str(results[0]["position"])
        for hit in (*results[0]["hits"], *results[-1]["hits"]):
            chunk = client.get(f"{filled}/chunks/{hit['id']}", params={"include": "embedding"}).json()
            same = ("id", "document_id", "position", "text", "metadata", "embedding")
            assert [hit[name] for name in same] == [chunk[name] for name in same]
            assert hit["document"] == client.get(f"{filled}/documents/odd").json()


def test_a_batch_answers_in_order(client: httpx.Client, filled: str, vectors: np.ndarray[Any, Any]) -> None:
    searches = [{"vector": vectors[i].tolist(), "k": 1} for i in (3, 1, 2)]
    results = client.post(f"{filled}/search/batch", json={"searches": searches}).json()["results"]
    assert [result["hits"][0]["id"] for result in results] == ["c03", "c01", "c02"]


@pytest.mark.parametrize(
    ("bad", "pointer"),
    [
        ({"vector": [1]}, "/searches/1/vector"),
        ({"vector": ["x"]}, "/searches/1/vector/0"),
        ({"vector": [1] * DIMENSION, "filter": {"nope": 1}}, "/searches/1/filter/nope"),
        ({"vector": [1] * DIMENSION, "k": 0}, "/searches/1/k"),
    ],
)
def test_the_bad_search_of_a_batch_is_named(client: httpx.Client, filled: str, bad: Any, pointer: str) -> None:
    body = {"searches": [{"vector": [1] * DIMENSION}, bad]}
    problem_of(client.post(f"{filled}/search/batch", json=body), 422, "validation", pointer)


def test_an_empty_batch(client: httpx.Client, filled: str) -> None:
    problem_of(client.post(f"{filled}/search/batch", json={"searches": []}), 422, "validation", "/searches")


def test_count(client: httpx.Client, filled: str) -> None:
    assert client.post(f"{filled}/count", json={}).json() == {"count": COUNT, "position": 3}
    body = {"filter": {"doc.title": "D1", "page": {"gte": 30}}}
    assert client.post(f"{filled}/count", json=body).json()["count"] == 10


def test_scan_pages_through_everything_once(client: httpx.Client, filled: str) -> None:
    found: list[str] = []
    cursor = None
    while True:
        parameters = {"limit": 7} if cursor is None else {"limit": 7, "cursor": cursor}
        page = client.post(
            f"{filled}/chunks/scan", params=parameters, json={"filter": {"page": {"gte": 10}}, "include": ["text"]}
        ).json()
        found += [chunk["id"] for chunk in page["items"]]
        assert all("metadata" not in chunk and "text" in chunk for chunk in page["items"])
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert found == [f"c{i:02}" for i in range(10, COUNT)]


def test_delete_by_filter(client: httpx.Client, filled: str) -> None:
    body = {"filter": {"page": {"lt": 5}}, "dry_run": True}
    assert client.post(f"{filled}/chunks/delete", json=body).json() == {"matched": 5, "deleted": 0, "position": 3}
    deleted = client.post(f"{filled}/chunks/delete", json={**body, "dry_run": False})
    assert deleted.json() == {"matched": 5, "deleted": 5, "position": 4}
    assert client.post(f"{filled}/count", json={}).json()["count"] == COUNT - 5
    problem_of(client.post(f"{filled}/chunks/delete", json={}), 422, "validation", "/filter")


def test_recall_of_an_exact_scan_is_one(client: httpx.Client, filled: str, vectors: np.ndarray[Any, Any]) -> None:
    report = client.post(f"{filled}/recall", json={"sample": 5, "k": 3}).json()
    assert (report["recall"], report["queries"], report["k"]) == (1.0, 5, 3)
    report = client.post(f"{filled}/recall", json={"queries": vectors[:2].tolist()}).json()
    assert report["queries"] == 2
    problem_of(client.post(f"{filled}/recall", json={"queries": [[1]]}), 422, "validation", "/queries/0")
    problem_of(client.post(f"{filled}/recall", json={"queries": [["x"]]}), 422, "validation", "/queries/0/0")


def test_a_batch_of_different_searches_answers_each_as_if_it_were_alone(
    client: httpx.Client, filled: str, vectors: np.ndarray[Any, Any]
) -> None:
    shapes: list[dict[str, Any]] = [
        {"k": 3},
        {"k": 3, "explain": True},
        {"k": 70, "include": []},
        {"k": 3, "filter": {"page": {"lt": 9}}},
        {"k": 3, "filter": {"page": {"lt": 9}}, "include": ["document", "embedding"], "vector_encoding": "b64"},
        {"k": 3, "filter": {"page": {"in": [1, 2]}}, "exact": True},
        {"k": 3, "filter": {"id": "nobody"}, "recall": 0.9, "include": ["text"]},
    ]
    searches = [{"vector": (row + 0.1).tolist(), **shape} for row in vectors[:4] for shape in shapes]
    together = client.post(f"{filled}/search/batch", json={"searches": searches}).json()["results"]
    alone = [client.post(f"{filled}/search", json=search).json() for search in searches]
    for result in together + alone:
        assert result.pop("took_ms") >= 0
        result.get("plan", {}).pop("filter_ms", None)
    assert together == alone
    assert [len(result["hits"]) for result in alone[: len(shapes)]] == [3, 3, 60, 3, 3, 2, 0]


@pytest.mark.parametrize("path", ["/search", "/search/batch"])
@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ({"vector": [1.0] * DIMENSION, "k": 2}, {}),
        ({"vector": [1.0], "k": 2}, {}),
        ({"vector": [1.0] * DIMENSION, "k": 0, "extra": 1}, {}),
        ({"vector": [1.0] * DIMENSION, "text": "both"}, {}),
        ({"vector": [1.0] * DIMENSION, "filter": {"page": "one"}}, {}),
        ([], {}),
        ({"vector": [1.0] * DIMENSION}, {"Content-Type": "text/plain"}),
        ({"vector": [1.0] * DIMENSION}, {"Content-Encoding": "gzip"}),
    ],
)
def test_the_direct_way_answers_as_fastapi_does(
    client: httpx.Client, filled: str, path: str, body: Any, headers: dict[str, str]
) -> None:
    """A position to wait for, here one that is reached, sends a search through FastAPI."""
    sent = orjson.dumps({"searches": [body, body]} if path.endswith("batch") else body)
    answers = [
        client.post(filled + path, content=sent, headers={"Content-Type": "application/json", **headers, **more})
        for more in ({}, {"X-Quire-Min-Position": "0"})
    ]
    direct, through = ({**answer.json(), "status": answer.status_code} for answer in answers)
    for answered in (direct, through):
        for changing in ("request_id", "took_ms"):
            answered.pop(changing, None)
        for result in answered.get("results", []):
            result.pop("took_ms")
    assert direct == through
    assert answers[0].headers.get("X-Quire-Position") == answers[1].headers.get("X-Quire-Position")
