"""Refusals are brief and quick: large bodies, many errors, parameters, headers and paths; nothing is echoed."""

from __future__ import annotations

import time
from typing import Any

import httpx
import orjson
import pytest

from tests.integration.api.conftest import BODY_BYTES_MAX, problem_of

CANARY = "zanzibar-canary"


def _post(client: httpx.Client, path: str, raw: bytes, **headers: str) -> httpx.Response:
    return client.post(path, content=raw, headers={"content-type": "application/json", **headers})


def test_many_errors_are_answered_briefly_and_quickly(client: httpx.Client, guide: str) -> None:
    raw = orjson.dumps({"operations": [{"put": {"id": CANARY + " ", "text": CANARY, "vector": CANARY}}] * 200_000})
    started = time.process_time()
    response = _post(client, f"{guide}/chunks/batch", raw)
    assert time.process_time() - started < 1.5
    problem_of(response, 422, "validation", "/operations")
    response = _post(
        client, f"{guide}/chunks/batch", orjson.dumps({"operations": orjson.loads(raw)["operations"][:900]})
    )
    assert len(problem_of(response, 422, "validation")["errors"]) == 20


def test_values_are_never_echoed(client: httpx.Client, guide: str) -> None:
    bodies = [
        {"vector": CANARY},
        {"vector": [CANARY]},
        {"vector": {"b64": CANARY, "dtype": CANARY}},
        {"vector": [1, 2, 3], "k": CANARY},
        {"vector": [1, 2, 3], "include": [CANARY]},
        {"vector": [1, 2, 3], "vector_encoding": CANARY},
        {"vector": [1, 2, 3], "filter": {"page": CANARY}},
        {"vector": [1, 2, 3], "filter": {"and": CANARY}},
    ]
    for body in bodies:
        response = client.post(f"{guide}/search", json=body)
        assert response.status_code == 422
        assert CANARY not in response.text
    response = client.post("/v1/libraries", json={"id": CANARY + "/", "dimension": 3, "metric": CANARY})
    assert CANARY not in response.text


def test_a_key_of_a_megabyte_is_cut(client: httpx.Client, guide: str) -> None:
    problem = problem_of(client.post(f"{guide}/search", json={"x" * (1 << 20): 1}), 422, "validation")
    assert max(len(error["pointer"]) for error in problem["errors"]) < 100


def test_a_body_of_the_largest_size_that_is_one_string(client: httpx.Client, guide: str) -> None:
    started = time.process_time()
    response = _post(client, f"{guide}/search", b'"' + b"x" * (BODY_BYTES_MAX - 2) + b'"')
    assert time.process_time() - started < 1.0
    problem_of(response, 422, "validation")


def test_a_body_that_is_too_large(client: httpx.Client, guide: str) -> None:
    def endless() -> Any:
        sent.append(1)
        yield b"{" + b" " * (1 << 20)
        while True:
            sent.append(1)
            yield b" " * (1 << 20)

    sent: list[int] = []
    response = client.post(f"{guide}/search", content=endless(), headers={"content-type": "application/json"})
    problem_of(response, 413, "too-large")
    assert len(sent) < 100


def test_an_announced_size_that_is_too_large_is_refused_unread(client: httpx.Client, guide: str) -> None:
    def never() -> Any:
        raise AssertionError("the body was read")
        yield b""

    headers = {"content-type": "application/json", "content-length": str(10**10)}
    problem_of(client.post(f"{guide}/search", content=never(), headers=headers), 413, "too-large")


@pytest.mark.parametrize(
    ("path", "pointer"),
    [
        ("?limit=0", "/query/limit"),
        ("?limit=1001", "/query/limit"),
        ("?limit=ten", "/query/limit"),
        ("?limt=10", "/query/limt"),
        ("?cursor=x", "/query/cursor"),
        ("?cursor=%F0%9F%98%80", "/query/cursor"),
        ("?cursor=" + "A" * 5000, "/query/cursor"),
        ("?offset=1000000000000", "/query/offset"),
        ("?limit=1&limit=2", "/query/limit"),
    ],
)
def test_parameters_that_cannot_be(client: httpx.Client, guide: str, path: str, pointer: str) -> None:
    problem_of(client.get(f"{guide}/documents{path}"), 422, "validation", pointer)
    problem_of(client.get(f"/v1/libraries{path}"), 422, "validation", pointer)


def test_a_parameter_that_takes_a_list_may_be_repeated(client: httpx.Client, guide: str) -> None:
    path = f"{guide}/chunks/g0?include=embedding&include=embedding"
    assert "embedding" in client.get(path).json()


@pytest.mark.parametrize("header", ["X-Quire-Min-Position", "X-Quire-Max-Wait-Ms"])
@pytest.mark.parametrize("value", ["-1", "x", "9" * 30])
def test_headers_that_cannot_be(client: httpx.Client, guide: str, header: str, value: str) -> None:
    response = client.get(guide, headers={header: value})
    assert problem_of(response, 422, "validation")["errors"][0]["pointer"].lower() == f"/header/{header}".lower()


def test_paths_that_do_not_exist(client: httpx.Client, guide: str) -> None:
    for path in ("/", "/v1", "/v1/libraries/", f"{guide}/", "/docs", "/redoc", "/v2/libraries", "//v1/libraries"):
        problem_of(client.get(path), 404, "not-found")


@pytest.mark.parametrize("number", [400_000, 1_000_000])
def test_a_deep_or_wide_filter_is_answered_quickly(client: httpx.Client, guide: str, number: int) -> None:
    raw = b'{"vector":[1,2,3],"filter":{"or":[' + b'{"page":1},' * number + b'{"page":1}]}}'
    started = time.process_time()
    response = _post(client, f"{guide}/search", raw)
    assert time.process_time() - started < 2.0
    assert response.status_code in {413, 422}
