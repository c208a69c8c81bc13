"""Import and export of whole libraries."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import numpy as np
import orjson
import pytest

from tests.integration.api.conftest import LINE_BYTES_MAX, problem_of

NDJSON = {"content-type": "application/x-ndjson"}


def _lines(*values: object) -> bytes:
    return b"".join(orjson.dumps(value) + b"\n" for value in values)


def _import(
    client: httpx.Client, library: str, content: Any, on_error: str = "abort", **headers: str
) -> dict[str, Any]:
    response = client.post(
        f"{library}/import", params={"on_error": on_error}, content=content, headers={**NDJSON, **headers}
    )
    assert response.status_code == 200, response.text
    report: dict[str, Any] = response.json()
    assert response.headers["x-quire-position"] == str(report["position"])
    return report


def _export(client: httpx.Client, library: str) -> list[dict[str, Any]]:
    response = client.get(f"{library}/export")
    assert response.headers["content-type"] == "application/x-ndjson"
    assert response.headers["x-quire-position"] == str(client.get(library).json()["position"])
    return [orjson.loads(line) for line in response.content.splitlines()]


def _chunk(identifier: str, **more: Any) -> dict[str, Any]:
    return {"id": identifier, "text": identifier, "embedding": [1, 2, 3], **more}


def test_documents_and_chunks_on_lines(client: httpx.Client, library: str) -> None:
    content = _lines(
        {"id": "d", "metadata": {"title": "T"}, "chunks": [_chunk("c0"), _chunk("c1")]},
        _chunk("c2", document_id="d"),
        _chunk("x0", document_id="made-by-its-chunk"),
        {"metadata": {"title": "without id"}},
    )
    report = _import(client, library, content)
    assert (report["documents"], report["chunks"], report["failed"], report["errors"]) == (2, 4, 0, [])
    listed = client.get(f"{library}/documents/d/chunks").json()["items"]
    assert [chunk["id"] for chunk in listed] == ["c0", "c1", "c2"]
    assert client.get(f"{library}/documents/made-by-its-chunk").json()["chunk_count"] == 1


@pytest.mark.parametrize("size", [1, 7, 100, 10_000])
def test_how_the_bytes_arrive_does_not_matter(client: httpx.Client, library: str, size: int) -> None:
    content = b"\n  \r\n" + _lines(*[_chunk(f"c{i}", document_id="d", text="\u2028 é") for i in range(20)]).rstrip()

    def parts() -> Iterator[bytes]:
        for start in range(0, len(content), size):
            yield content[start : start + size]

    report = _import(client, library, parts())
    assert (report["chunks"], report["failed"]) == (20, 0)


def test_an_empty_import(client: httpx.Client, library: str) -> None:
    assert _import(client, library, b"")["chunks"] == 0


def test_an_export_is_imported_unchanged_and_gives_the_same_library(
    client: httpx.Client, make_library: Callable[..., str]
) -> None:
    first, second = make_library(), make_library()
    metadata = {"name": "n", "page": 3, "tags": ["t"], "attributes": {"l": ["a"], "d": "2026-01-01T00:00:00Z"}}
    many = [_chunk(f"m{i:04}", embedding=[i, 1, 0.1]) for i in range(1201)]
    client.put(f"{first}/documents/empty", json={})
    client.put(f"{first}/documents/many", json={"metadata": {"title": "Many"}, "chunks": many})
    client.put(f"{first}/documents/one", json={"chunks": [_chunk("one", metadata=metadata, position=7)]})
    exported = client.get(f"{first}/export").content
    assert _import(client, second, exported)["chunks"] == 1202

    def essence(library: str) -> list[object]:
        volatile = ("version", "created_at", "updated_at")
        lines = _export(client, library)
        for line in lines:
            for thing in (line, *line.get("chunks", ())):
                for name in volatile:
                    del thing[name]
        return lines

    assert essence(second) == essence(first)
    assert len(essence(first)) > 3


def test_exported_embeddings_are_exact(client: httpx.Client, library: str) -> None:
    vector = np.array([1 / 3, 1e-38, -65504.5], dtype="<f4")
    client.put(f"{library}/documents/d", json={"chunks": [_chunk("c", embedding=vector.tolist())]})
    chunk = _export(client, library)[0]["chunks"][0]
    assert base64.b64decode(chunk["embedding"]["b64"]) == vector.tobytes()


BAD_LINES: list[tuple[object, str, str]] = [
    ({"id": "d", "chunks": [{"id": "c", "text": "t", "embedding": [1]}]}, "/chunks/0/embedding", ""),
    (
        {"id": "d", "chunks": [{"id": "c", "text": "t", "embedding": ["x"]}]},
        "/chunks/0/embedding/0",
        "vector-component",
    ),
    ({"id": "d", "chunks": [{"id": "c"}]}, "/chunks/0/text", "required"),
    ({"id": "a b"}, "/id", "identifier"),
    ({"text": "t", "embedding": [1, 2, 3]}, "/document_id", "required"),
    ({"id": "c", "document_id": "d", "text": "t", "embedding": [1, 2, 3], "extra": 1}, "/extra", "unknown-field"),
    ([1], "", "object"),
]


@pytest.mark.parametrize(("line", "pointer", "code"), BAD_LINES)
def test_a_bad_line_is_named_and_the_rest_is_written(
    client: httpx.Client, library: str, line: object, pointer: str, code: str
) -> None:
    content = _lines(_chunk("before", document_id="x"), line, _chunk("after", document_id="x"))
    report = _import(client, library, content, on_error="continue")
    assert (report["chunks"], report["failed"], report["aborted"]) == (2, 1, False)
    (error,) = report["errors"]
    assert (error["line"], error["pointer"]) == (2, pointer)
    assert code in {"", error["code"]}


def test_abort_stops_at_the_first_bad_line(client: httpx.Client, library: str) -> None:
    content = _lines(_chunk("before", document_id="x")) + b"not json\n" + _lines(_chunk("after", document_id="x"))
    report = _import(client, library, content)
    assert (report["chunks"], report["failed"], report["aborted"]) == (1, 1, True)
    assert report["errors"][0]["code"] == "malformed-json"
    problem_of(client.get(f"{library}/chunks/after"), 404, "not-found")


def test_many_bad_lines_are_counted_but_not_all_shown(client: httpx.Client, library: str) -> None:
    report = _import(client, library, b"bad\n" * 1000, on_error="continue")
    assert report["failed"] == 1000
    assert [error["line"] for error in report["errors"]] == list(range(1, 21))


def test_a_line_that_is_too_long(client: httpx.Client, library: str) -> None:
    good = _lines(_chunk("c", document_id="d"))
    for content in (good + b" " * (LINE_BYTES_MAX + 1) + b"\n", good + b"x" * (2 * LINE_BYTES_MAX)):
        response = client.post(f"{library}/import", content=content, headers=NDJSON)
        problem_of(response, 413, "too-large")


def test_a_line_that_never_ends_is_not_gathered(client: httpx.Client, library: str) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(50 * LINE_BYTES_MAX // len(part)):
            sent.append(1)
            yield part

    part, sent = b"x" * (64 * 1024), []
    problem_of(client.post(f"{library}/import", content=endless(), headers=NDJSON), 413, "too-large")
    assert len(sent) * len(part) < 10 * LINE_BYTES_MAX


def test_imports_are_ndjson(client: httpx.Client, library: str) -> None:
    problem_of(client.post(f"{library}/import", json={}), 415, "unsupported-media-type")
    response = client.post(f"{library}/import?on_error=ignore", content=b"", headers=NDJSON)
    problem_of(response, 422, "validation", "/query/on_error")
    response = client.post("/v1/libraries/none/import", content=b"", headers=NDJSON)
    problem_of(response, 404, "not-found")
    problem_of(client.get("/v1/libraries/none/export"), 404, "not-found")


def test_a_repeated_import_with_a_key_is_written_once(client: httpx.Client, library: str) -> None:
    content = _lines(_chunk("c", document_id="d"))
    first = _import(client, library, content, **{"idempotency-key": "import-1"})
    position = client.get(library).json()["position"]
    again = _import(client, library, content, **{"idempotency-key": "import-1"})
    assert (again["chunks"], client.get(library).json()["position"]) == (first["chunks"], position)


@pytest.mark.parametrize(
    "change", [{"metadata": {"page": 2}}, {"document_id": "other"}, {"position": 7}, {"text": "other"}], ids=str
)
def test_a_key_does_not_swallow_a_changed_import(client: httpx.Client, library: str, change: dict[str, object]) -> None:
    first = _lines(_chunk("c", document_id="d"), _chunk("e", document_id="d"))
    _import(client, library, first, **{"idempotency-key": "import-1"})
    before = client.get(f"{library}/export").content
    changed = _lines(_chunk("c", document_id="d"), {**_chunk("e", document_id="d"), **change})
    headers = {**NDJSON, "idempotency-key": "import-1"}
    problem_of(client.post(f"{library}/import", content=changed, headers=headers), 422, "idempotency-key-reused")
    assert client.get(f"{library}/export").content == before
