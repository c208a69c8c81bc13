"""The usual search goes a shorter way than one that says more: both are answered, refused and counted alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

BODY = {"vector": [1, 0], "k": 1}
UNUSUAL = {"X-Quire-Min-Position": "0"}


@pytest.fixture
def filled(client: httpx.Client, make_library: Callable[..., str]) -> str:
    library = make_library(2)
    chunks = [{"id": f"c{number}", "text": str(number), "embedding": [1, number]} for number in range(4)]
    assert client.put(f"{library}/documents/d", json={"chunks": chunks}).status_code == 201
    return library


@pytest.mark.parametrize(
    ("path", "body", "headers", "status"),
    [
        ("search", BODY, {}, 200),
        ("search/batch", {"searches": [BODY, BODY]}, {}, 200),
        ("search", BODY, {"content-type": "application/json; charset=utf-8"}, 200),
        ("search", BODY, {"content-type": "text/plain"}, 415),
        ("search", BODY, {"content-encoding": "gzip"}, 415),
        ("search", {**BODY, "k": 0}, {}, 422),
        ("search", {**BODY, "vector": [1]}, {}, 422),
        ("search/batch", {"searches": []}, {}, 422),
    ],
)
def test_both_ways_answer_alike(
    client: httpx.Client, filled: str, path: str, body: Any, headers: dict[str, str], status: int
) -> None:
    answers = [client.post(f"{filled}/{path}", json=body, headers=headers | more) for more in ({}, UNUSUAL)]
    assert [answer.status_code for answer in answers] == [status, status]
    usual, unusual = (_lasting(answer.json()) for answer in answers)
    assert usual == unusual
    names = [{name for name in answer.headers if name != "connection"} for answer in answers]
    assert names[0] == names[1]


def _lasting(answer: dict[str, Any]) -> dict[str, Any]:
    """Without what differs each time."""
    for result in answer.get("results", [answer]):
        result.pop("took_ms", None)
    answer.pop("request_id", None)
    return answer


def test_a_library_that_is_not_there(client: httpx.Client) -> None:
    for headers in ({}, UNUSUAL):
        answer = client.post("/v1/libraries/none/search", json=BODY, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


def test_other_methods_and_parameters_are_refused(client: httpx.Client, filled: str) -> None:
    assert client.get(f"{filled}/search").status_code == 405
    assert client.post(f"{filled}/search", json=BODY, params={"what": "1"}).status_code == 422
    assert client.post(f"{filled}/search/more", json=BODY).status_code == 404


def test_both_ways_are_counted_as_one_route(client: httpx.Client, filled: str) -> None:
    def counted() -> float:
        line = 'quire_http_requests_total{method="POST",route="/v1/libraries/{library}/search",status="200"}'
        values = [one.split()[-1] for one in client.get("/metrics").text.splitlines() if one.startswith(line)]
        return float(values[0]) if values else 0.0

    before = counted()
    for headers in ({}, UNUSUAL):
        assert client.post(f"{filled}/search", json=BODY, headers=headers).status_code == 200
    assert counted() == before + 2
