"""What is repeated, when, with which headers; and what every error looks like to the caller."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest
from quiredb_client import (
    ApiError,
    Client,
    Conflict,
    ConnectionFailed,
    Forbidden,
    NotFound,
    PreconditionFailed,
    RateLimited,
    RetryPolicy,
    ServerError,
    Timeout,
    TooLarge,
    Unauthorized,
    Unavailable,
    UnexpectedAnswer,
    ValidationFailed,
)
from quiredb_client._runtime import threads
from quiredb_client.problems import retry_after_seconds

DOCUMENT = {"id": "d", "metadata": {}, "version": 7}
DOCUMENTS = "/v1/libraries/papers/documents"


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses taken, none of them real."""
    taken: list[float] = []
    monkeypatch.setattr(threads, "sleep", taken.append)
    return taken


@pytest.mark.parametrize("status", [408, 429, 502, 503, 504])
def test_a_passing_failure_is_repeated(server, client, make_problem, status: int) -> None:
    server.route("GET", f"{DOCUMENTS}/d", DOCUMENT)
    server.script(make_problem(status, "busy"), httpx.Response(status, text="<h1>proxy</h1>"))
    assert client.library("papers").documents.get("d").version == 7
    assert len(server.requests) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 412, 413, 422, 500])
def test_other_failures_are_not(server, client, make_problem, status: int) -> None:
    server.script(make_problem(status, "no"))
    with pytest.raises(ApiError):
        client.library("papers").documents.get("d")
    assert len(server.requests) == 1


@pytest.mark.parametrize(("status", "retryable", "tries"), [(409, True, 3), (503, False, 1)])
def test_the_server_has_the_last_word(server, client, make_problem, status: int, retryable: bool, tries: int) -> None:
    server.script(*(make_problem(status, "x", retryable=retryable) for _ in range(3)))
    with pytest.raises(ApiError):
        client.library("papers").documents.get("d")
    assert len(server.requests) == tries


@pytest.mark.parametrize(
    ("failure", "expected"),
    [(httpx.ConnectError("refused"), ConnectionFailed), (httpx.ReadTimeout("slow"), Timeout)],
)
def test_broken_connections_are_repeated_and_then_told(server, client, failure: Exception, expected: type) -> None:
    server.route("GET", f"{DOCUMENTS}/d", DOCUMENT)
    server.script(failure, failure)
    assert client.library("papers").documents.get("d").id == "d"
    server.script(failure, failure, failure)
    with pytest.raises(expected, match=r"http://127\.0\.0\.1:7333"):
        client.library("papers").documents.get("d")
    assert len(server.requests) == 6


def test_every_try_of_a_post_carries_the_same_idempotency_key_and_each_call_another(server, client) -> None:
    server.route("POST", DOCUMENTS, DOCUMENT, status=201)
    server.script(httpx.ReadError("gone"), httpx.ReadError("gone"))
    for _ in range(2):
        client.library("papers").documents.create(metadata={"title": "t"})
    keys = [request.headers["idempotency-key"] for request in server.requests]
    assert len(keys) == 4
    assert len(set(keys[:3])) == 1
    assert keys[3] != keys[0]
    assert {request.content for request in server.requests} == {b'{"metadata":{"title":"t"}}'}


def test_a_delete_that_was_carried_out_before_its_answer_was_lost_succeeds(server, client, make_problem) -> None:
    server.script(httpx.ReadError("gone"), make_problem(404, "not-found"))
    client.library("papers").documents.delete("d")
    server.script(httpx.ConnectError("refused"), make_problem(404, "not-found"))
    with pytest.raises(NotFound):
        client.library("papers").documents.delete("d")


def test_a_precondition_that_fails_after_a_lost_answer_says_so(server, client, make_problem) -> None:
    server.script(httpx.ReadError("gone"), make_problem(412, "precondition-failed"))
    with pytest.raises(PreconditionFailed) as caught:
        client.library("papers").documents.patch("d", metadata={"title": "t"}, if_match=7)
    assert "may have been applied" in caught.value.__notes__[0]


def test_pauses_grow_with_jitter_and_have_a_cap(server, make_problem, naps) -> None:
    policy = RetryPolicy(retries=30, first_delay=0.25, max_delay=8.0, deadline=10_000)
    client = Client(transport=httpx.MockTransport(server.handle), retries=policy)
    server.script(*(make_problem(503, "busy") for _ in range(31)))
    with pytest.raises(Unavailable), client:
        client.limits()
    assert len(naps) == 30
    assert all(0 <= nap <= min(8.0, 0.25 * 2**number) for number, nap in enumerate(naps))
    assert max(naps) > 1.0
    assert len(set(naps)) == 30


def test_retry_after_is_obeyed(server, make_problem, naps) -> None:
    answer = make_problem(429, "slow-down")
    answer.headers["retry-after"] = "17"
    server.script(answer)
    server.route("GET", "/v1/limits", {})
    with Client(transport=httpx.MockTransport(server.handle)) as client:
        client.limits()
    assert naps == [17.0]


def test_no_try_starts_after_the_deadline(server, make_problem, naps) -> None:
    answer = make_problem(429, "slow-down")
    answer.headers["retry-after"] = "17"
    server.script(answer)
    policy = RetryPolicy(retries=5, deadline=16)
    client = Client(transport=httpx.MockTransport(server.handle), retries=policy)
    with client, pytest.raises(RateLimited) as caught:
        client.limits()
    assert naps == []
    assert caught.value.retry_after == 17


def test_a_repeat_waits_no_longer_than_the_deadline_allows(server, make_problem) -> None:
    policy = RetryPolicy(retries=1, first_delay=0.0, deadline=10)
    server.script(make_problem(503, "busy"))
    server.route("GET", "/v1/limits", {})
    with Client(transport=httpx.MockTransport(server.handle), retries=policy, timeout=60) as client:
        client.limits()
    first, second = (request.extensions["timeout"] for request in server.requests)
    assert first["read"] == 60
    assert second["read"] <= 10


def test_retry_after_may_be_a_date() -> None:
    assert retry_after_seconds(format_datetime(datetime.now(UTC) + timedelta(seconds=90))) == pytest.approx(90, abs=30)
    assert retry_after_seconds(format_datetime(datetime.now(UTC) - timedelta(seconds=90))) == 0.0
    assert retry_after_seconds("soon") is None


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, ValidationFailed),
        (401, Unauthorized),
        (403, Forbidden),
        (404, NotFound),
        (409, Conflict),
        (412, PreconditionFailed),
        (413, TooLarge),
        (418, ApiError),
        (422, ValidationFailed),
        (429, RateLimited),
        (500, ServerError),
        (503, Unavailable),
    ],
)
def test_each_status_has_its_error(server, make_problem, status: int, expected: type) -> None:
    server.script(make_problem(status, "code"))
    with Client(transport=httpx.MockTransport(server.handle), retries=0) as client, pytest.raises(ApiError) as caught:
        client.limits()
    assert type(caught.value) is expected


def test_an_error_shows_what_where_and_the_request_id(server, client, make_problem) -> None:
    errors = [{"pointer": "/chunks/17/embedding", "code": "dimension", "detail": "needs 384 numbers"}]
    server.script(make_problem(422, "validation", errors=errors))
    with pytest.raises(ValidationFailed) as caught:
        client.library("papers").documents.create(chunks=[{"text": "t", "embedding": [1.0]}])
    assert str(caught.value).splitlines() == [
        "422 validation: validation happened",
        "  /chunks/17/embedding: needs 384 numbers [dimension]",
        "  request id: r-1",
    ]
    assert caught.value.code == "validation"
    assert caught.value.errors[0].pointer == "/chunks/17/embedding"


def test_an_answer_that_is_not_json_is_an_error_of_ours(server, client) -> None:
    server.script(httpx.Response(200, text="<h1>hello</h1>"))
    with pytest.raises(UnexpectedAnswer, match="address"):
        client.limits()
    server.script(httpx.Response(200, json={"id": "papers"}))
    with pytest.raises(UnexpectedAnswer, match="Library"):
        client.libraries.get("papers")


def test_options_of_one_call_leave_the_client_alone(server, client, make_problem) -> None:
    server.script(*(make_problem(503, "busy") for _ in range(1)))
    with pytest.raises(Unavailable):
        client.with_options(retries=0).limits()
    server.route("GET", "/v1/limits", {})
    server.script(*(make_problem(503, "busy") for _ in range(2)))
    client.limits()
    assert len(server.requests) == 4


def test_the_asynchronous_client_repeats_too(server, async_client, make_problem) -> None:
    server.route("POST", DOCUMENTS, DOCUMENT, status=201)
    server.script(httpx.ReadError("gone"), make_problem(503, "busy"))

    async def create() -> None:
        async with async_client() as client:
            await client.library("papers").documents.create()

    asyncio.run(create())
    assert len({request.headers["idempotency-key"] for request in server.requests}) == 1
    assert len(server.requests) == 3
