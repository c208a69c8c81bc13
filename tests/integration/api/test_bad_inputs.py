"""Inputs that must be refused, with the exact status and code, and nothing written. Rows 10 and 25-56 of the list."""

from __future__ import annotations

from typing import Any

import httpx
import orjson
import pytest

from tests.integration.api.conftest import problem_of


def _post(client: httpx.Client, path: str, raw: bytes, **headers: str) -> httpx.Response:
    return client.post(path, content=raw, headers={"content-type": "application/json", **headers})


@pytest.mark.parametrize("method", ["TRACE", "FOO", "DELETE"])
def test_a_method_that_the_path_does_not_have(client: httpx.Client, guide: str, method: str) -> None:
    response = client.request(method, f"{guide}/documents/guide/chunks")
    problem_of(response, 405, "method-not-allowed")
    assert response.headers["allow"] == "GET, POST"


@pytest.mark.parametrize("path", ["/version", "/metrics", "/v1/limits", "/v1/libraries", "/openapi.json"])
def test_only_probes_have_a_head_of_their_own(client: httpx.Client, path: str) -> None:
    response = client.head(path)
    problem_of(response, 405, "method-not-allowed")
    assert "HEAD" not in response.headers["allow"]


@pytest.mark.parametrize("content_type", ["text/plain", "application/xml", "application/json; charset=latin-1", None])
def test_other_content_types(client: httpx.Client, guide: str, content_type: str | None) -> None:
    headers = {} if content_type is None else {"content-type": content_type}
    response = client.post(f"{guide}/search", content=b'{"vector":[1,2,3]}', headers=headers)
    problem_of(response, 415, "unsupported-media-type")


@pytest.mark.parametrize("content_type", ["application/json", "Application/JSON; charset=UTF-8", "application/json;"])
def test_spellings_of_json(client: httpx.Client, guide: str, content_type: str) -> None:
    headers = {"content-type": content_type}
    assert client.post(f"{guide}/search", content=b'{"vector":[1,2,3]}', headers=headers).status_code == 200


def test_merge_patch_is_for_patch_only(client: httpx.Client, guide: str) -> None:
    headers = {"content-type": "application/merge-patch+json"}
    problem_of(client.post(f"{guide}/count", content=b"{}", headers=headers), 415, "unsupported-media-type")
    assert client.patch(guide, content=b"{}", headers=headers).status_code == 200


def test_compressed_bodies(client: httpx.Client, guide: str) -> None:
    response = _post(client, f"{guide}/search", b'{"vector":[1,2,3]}', **{"content-encoding": "gzip"})
    problem_of(response, 415, "unsupported-media-type")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b'{"text":"a","emb',
        b'{"text":"\xff"}',
        '{"k":1}'.encode("utf-16"),
        b'\xef\xbb\xbf{"k":1}',
        b'{"k":NaN}',
        b'{"filter":{"page":Infinity}}',
        b'{"k":1,"k":2}',
        b"[" * 100_000,
        b'{"filter":' * 33 + b"{}" + b"}" * 33,
    ],
)
def test_malformed_json(client: httpx.Client, guide: str, raw: bytes) -> None:
    problem_of(_post(client, f"{guide}/search", raw), 400, "malformed-json")


@pytest.mark.parametrize(
    ("raw", "pointer"),
    [
        (b'{"vector":[1,1e999,2]}', "/vector/1"),
        (b'{"vector":[1,2,1e39]}', "/vector/2"),
        (b'{"vector":["nan",2,1]}', "/vector/0"),
        (b'{"vector":[1,"1.5",1]}', "/vector/1"),
        (b'{"vector":[1,true,1]}', "/vector/1"),
        (b'{"vector":[1,null,1]}', "/vector/1"),
        (b'{"vector":[1,2]}', "/vector"),
        (b'{"vector":[]}', "/vector"),
        (b'{"vector":[0,0,0]}', "/vector"),
        (b'{"vector":{"b64":"AAAA","dtype":"f32"}}', "/vector/b64"),
        (b'{"vector":{"b64":"AADAfwAAgD8AAIA/","dtype":"f32"}}', "/vector/0"),
        (b'{"vector":{"b64":"?","dtype":"f32"}}', "/vector/b64"),
        (b'{"vector":[1,2,3],"k":' + b"9" * 5000 + b"}", "/k"),
        (b'{"vector":[1,2,3],"k":0}', "/k"),
        (b'{"vector":[1,2,3],"k":-1}', "/k"),
        (b'{"vector":[1,2,3],"k":1.5}', "/k"),
        (b'{"vector":[1,2,3],"k":"5"}', "/k"),
        (b'{"vector":[1,2,3],"k":1001}', "/k"),
        (b'{"vector":[1,2,3],"k":9223372036854775808}', "/k"),
        (b'{"vector":[1,2,3],"k":true}', "/k"),
        (b'{"vector":[1,2,3],"ef":1000000000}', "/ef"),
        (b'{"vector":[1,2,3],"nprobe":1000000000}', "/nprobe"),
        (b'{"vector":[1,2,3],"__proto__":{}}', "/__proto__"),
        (b'{"vector":[1,2,3],"recall":0}', "/recall"),
        (b'{"vector":[1,2,3],"recall":1.01}', "/recall"),
        (b'{"vector":[1,2,3],"recall":0.9,"exact":true}', ""),
        (b'{"vector":[1,2,3],"text":"x"}', ""),
        (b"{}", ""),
        (b'{"text":"\\ud800"}', "/text"),
        (b'{"vector":[1,2,3],"include":["everything"]}', "/include"),
        (b'{"vector":[1,2,3],"filter":[]}', "/filter"),
        (b'{"vector":[1,2,3],"filter":{"page":{"$where":"1"}}}', "/filter/page"),
        (b'{"vector":[1,2,3],"filter":{"name":{"regex":"(a+)+$"}}}', "/filter/name"),
        (b'{"vector":[1,2,3],"filter":{"page":"3"}}', "/filter/page"),
        (b'{"vector":[1,2,3],"filter":{"nonsense":1}}', "/filter/nonsense"),
        (b'{"vector":[1,2,3],"filter":' + b'{"not":' * 9 + b'{"page":1}' + b"}" * 9 + b"}", "/filter" + "/not" * 8),
        (orjson.dumps({"vector": [1, 2, 3], "filter": {"page": {"in": [1] * 1001}}}), "/filter/page/in"),
        (orjson.dumps({"vector": [1, 2, 3], "filter": {"or": [{"page": 1}] * 10_000}}), "/filter/or/64/page"),
        (b"[]", ""),
        (b'"x"', ""),
        (b"3", ""),
    ],
)
def test_impossible_searches(client: httpx.Client, guide: str, raw: bytes, pointer: str) -> None:
    problem_of(_post(client, f"{guide}/search", raw), 422, "validation", pointer)


@pytest.mark.parametrize("text", ["x' or id != '' --", "${7*7}", "{{7*7}}", "%_"])
def test_injections_are_literal_text(client: httpx.Client, guide: str, text: str) -> None:
    for condition in ({"name": text}, {"text": {"contains": text}}, {"attributes.x": {"starts_with": text}}):
        response = client.post(f"{guide}/search", json={"vector": [1, 2, 3], "filter": condition})
        assert (response.status_code, response.json()["hits"]) == (200, [])


@pytest.mark.parametrize("identifier", ["../../etc/x", "a/b", ".", "..", "", "x" * 10_000, "a\0b", "a\r\nb", "\u202eb"])
def test_names_that_cannot_be(client: httpx.Client, identifier: str) -> None:
    before = client.get("/v1/libraries").json()
    problem_of(client.post("/v1/libraries", json={"id": identifier, "dimension": 3}), 422, "validation", "/id")
    assert client.get("/v1/libraries").json() == before


def test_a_name_in_the_path_that_cannot_be(client: httpx.Client, guide: str) -> None:
    problem_of(client.put("/v1/libraries/a%0d%0ab", json={"dimension": 3}), 422, "validation", "/id")
    problem_of(client.put(f"{guide}/documents/a%20b", json={}), 422, "validation", "/id")
    problem_of(
        client.put(f"{guide}/documents/guide/chunks/a%20b", json={"text": "t", "embedding": [1, 2, 3]}),
        422,
        "validation",
    )


@pytest.mark.parametrize("identifier", ["%2e%2e%2f", "1e3", "1" + "0" * 23, "not-a-uuid", "%00", "x" * 3000])
def test_ids_that_do_not_exist(client: httpx.Client, guide: str, identifier: str) -> None:
    for path in (f"/v1/libraries/{identifier}", f"{guide}/documents/{identifier}", f"{guide}/chunks/{identifier}"):
        problem_of(client.get(path), 404, "not-found")
    problem_of(client.get(f"/v1/jobs/{identifier}"), 404, "not-found")


@pytest.mark.parametrize("dimension", [0, -1, 4097, 2**63, 1.5, "3", True, None])
def test_dimensions_that_cannot_be(client: httpx.Client, dimension: object) -> None:
    problem_of(client.post("/v1/libraries", json={"dimension": dimension}), 422, "validation", "/dimension")


@pytest.mark.parametrize(
    ("metadata", "pointer"),
    [
        ({"attributes": {f"k{i}": i for i in range(65)}}, "/metadata/attributes"),
        ({"attributes": {f"k{i}": "x" * 4000 for i in range(5)}}, "/metadata"),
        ({"attributes": {"k" * 200: 1}}, "/metadata/attributes"),
        ({"attributes": {"": 1}}, "/metadata/attributes"),
        ({"attributes": {"nested": {"deep": 1}}}, "/metadata/attributes/nested"),
        ({"attributes": {"mixed": ["a", 1]}}, "/metadata/attributes/mixed"),
        ({"attributes": {"null": None}}, "/metadata/attributes/null"),
        ({"attributes": {"big": 2**53 + 1}}, "/metadata/attributes/big"),
        ({"attributes": {"small": -(2**64)}}, "/metadata/attributes/small"),
        ({"attributes": {"long": "x" * 4097}}, "/metadata/attributes/long"),
        ({"attributes": []}, "/metadata/attributes"),
        ({"tags": ["x"] * 65}, "/metadata/tags"),
        ({"tags": "x"}, "/metadata/tags"),
        ({"tags": [""]}, "/metadata/tags/0"),
        ({"page": "3"}, "/metadata/page"),
        ({"page": True}, "/metadata/page"),
        ({"page": 1.5}, "/metadata/page"),
        ({"title": "a document's field"}, "/metadata/title"),
        ({"trust_remote_code": True}, "/metadata/trust_remote_code"),
        ("x", "/metadata"),
    ],
)
def test_metadata_that_cannot_be(client: httpx.Client, guide: str, metadata: Any, pointer: str) -> None:
    body = {"text": "t", "embedding": [1, 2, 3], "metadata": metadata}
    problem_of(client.post(f"{guide}/documents/guide/chunks", json=body), 422, "validation", pointer)


def test_a_number_beyond_float64_in_metadata(client: httpx.Client, guide: str) -> None:
    for number in (b"1e999", b"9" * 5000):
        raw = b'{"text":"t","embedding":[1,2,3],"metadata":{"attributes":{"n":' + number + b"}}}"
        response = _post(client, f"{guide}/documents/guide/chunks", raw)
        problem_of(response, 422, "validation", "/metadata/attributes/n")


def test_a_date_that_is_none(client: httpx.Client, guide: str) -> None:
    for date in ("yesterday", "2026-01-01", "2026-02-30T00:00:00Z", 1700000000):
        response = client.put(f"{guide}/documents/other", json={"metadata": {"published_at": date}})
        problem_of(response, 422, "validation", "/metadata/published_at")


def test_a_text_that_is_too_long(client: httpx.Client, guide: str) -> None:
    chunks = f"{guide}/documents/guide/chunks"
    body = {"text": "\u00e9" * (128 * 1024), "embedding": [1, 2, 3]}
    assert client.post(chunks, json=body).status_code == 201
    body["text"] = "\u00e9" * (128 * 1024) + "a"
    problem_of(client.post(chunks, json=body), 422, "validation", "/text")


def test_a_batch_with_one_bad_operation_writes_nothing(client: httpx.Client, guide: str) -> None:
    puts = [{"put": {"id": f"n{i}", "document_id": "guide", "text": "t", "embedding": [1, 2, 3]}} for i in range(1000)]
    puts[617]["put"]["embedding"] = [1, 2]
    before = client.post(f"{guide}/count", json={}).json()
    problem_of(
        client.post(f"{guide}/chunks/batch", json={"operations": puts}),
        422,
        "validation",
        "/operations/617/put/embedding",
    )
    assert client.post(f"{guide}/count", json={}).json() == before


def test_a_batch_that_names_a_chunk_twice(client: httpx.Client, guide: str) -> None:
    put = {"put": {"id": "n", "document_id": "guide", "text": "t", "embedding": [1, 2, 3]}}
    response = client.post(f"{guide}/chunks/batch", json={"operations": [put, put]})
    problem_of(response, 422, "validation", "/operations/1")


@pytest.mark.parametrize(
    ("operation", "pointer"),
    [
        ({}, "/operations/0"),
        ({"put": None, "delete": None}, "/operations/0"),
        ({"delete": {"id": "a"}, "put": {"id": "a", "document_id": "d", "text": "t"}}, "/operations/0"),
        ({"upsert": {}}, "/operations/0/upsert"),
        ({"put": {"id": "a", "text": "t", "embedding": [1, 2, 3]}}, "/operations/0/put/document_id"),
        ({"delete": {}}, "/operations/0/delete/id"),
        ({"delete": {"id": "a", "if_version": 0}}, "/operations/0/delete/if_version"),
    ],
)
def test_operations_that_cannot_be(client: httpx.Client, guide: str, operation: Any, pointer: str) -> None:
    response = client.post(f"{guide}/chunks/batch", json={"operations": [operation]})
    problem_of(response, 422, "validation", pointer)
