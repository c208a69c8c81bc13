"""Keys at the edge: what is free, what is refused and how, and that no key is ever logged."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from fastapi import FastAPI

from quiredb.api.application import describe
from quiredb.api.door import Door
from quiredb.api.rights import RIGHTS
from quiredb.app import Instance
from quiredb.domain.errors import StorageFailed
from quiredb.domain.keys import KeyDraft
from quiredb.domain.rights import Right
from quiredb.local import ApplicationTransport
from quiredb.repositories.keys import KeyRing, create_key, revoke_key
from quiredb.storage.keys import KeyTable
from tests.integration.api.conftest import _check_problem, problem_of

FREE = ("/livez", "/readyz", "/startupz", "/version")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")


@dataclass
class Guarded:
    """An application that asks for keys, and the folder of its keys."""

    app: FastAPI
    folder: Path
    key: str
    key_id: str
    seconds: float = 0.0

    def clock(self) -> float:
        """A minute passes with every look, so that no address has failed too often."""
        self.seconds += 60.0
        return self.seconds


@pytest.fixture
def guarded(instance: Instance, tmp_path: Path) -> Iterator[Guarded]:
    """Looks at its keys before each request."""
    described, key = create_key(tmp_path / "keys", KeyDraft("test"))
    made = Guarded(instance.api(), tmp_path / "keys", key, described.id)
    ring = KeyRing(made.folder, required=False, clock=made.clock)
    made.app = instance.api(door=Door(ring.identify, clock=made.clock))
    yield made
    ring.close()


@pytest.fixture
def stranger(guarded: Guarded) -> Iterator[httpx.Client]:
    """A client without a key."""
    transport = ApplicationTransport(guarded.app, lambda: None)
    with httpx.Client(base_url="http://test", transport=transport) as opened:
        yield opened


def refused(response: httpx.Response) -> dict[str, Any]:
    """The problem document of a refusal, without what differs between any two requests."""
    _check_problem(response)
    problem = problem_of(response, 401, "unauthenticated")
    assert response.headers["www-authenticate"] == "Bearer"
    return {name: value for name, value in problem.items() if name not in {"instance", "request_id"}}


@pytest.mark.parametrize("path", FREE)
def test_probes_need_no_key(stranger: httpx.Client, path: str) -> None:
    assert stranger.get(path).status_code == 200
    assert stranger.get(path, headers={"authorization": "Bearer wrong"}).status_code == 200
    assert stranger.head(path).status_code == (405 if path == "/version" else 200)
    for method in set(METHODS) - {"GET", "HEAD"}:
        assert stranger.request(method, path).status_code == 401


def test_every_operation_needs_a_key(stranger: httpx.Client, guarded: Guarded) -> None:
    asked = 0
    for path, operations in orjson.loads(describe())["paths"].items():
        for method in operations:
            if path in FREE:
                continue
            concrete = path.replace("{", "").replace("}", "")
            refused(stranger.request(method.upper(), concrete))
            answered = stranger.request(method.upper(), concrete, headers={"authorization": f"Bearer {guarded.key}"})
            assert answered.status_code != 401
            asked += 1
    assert asked > 20


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/nowhere",
        "/v1/libraries/absent",
        "/livez/",
        "//livez",
        "/LIVEZ",
        "/livez%2f",
        "/livez;x",
        "/livez%00",
        "/v1/libraries/..%2f..%2flivez",
        "/v1/libraries?/livez",
        "/metrics",
        "/openapi.json",
        "/docs",
    ],
)
def test_all_other_paths_are_refused_alike(stranger: httpx.Client, path: str) -> None:
    assert refused(stranger.get(path)) == refused(stranger.get("/v1/libraries"))


def test_an_encoded_probe_is_the_probe(stranger: httpx.Client) -> None:
    assert stranger.get("/%6civez").status_code == 200


def test_every_wrong_key_is_refused_alike(stranger: httpx.Client, guarded: Guarded) -> None:
    key = guarded.key
    wrong = [
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        key,
        f"Basic {key}",
        f"Bearer{key}",
        f"Bearer {key}a",
        f"Bearer {key[:-1]}",
        f"Bearer {key} {key}",
        f"Bearer {key},",
        f"Bearer\t{key}",
        f"Bearer {key.upper()}",
        f"Bearer {guarded.key_id}",
        "Bearer " + "x" * 100_000,
        b"Bearer \xff\xfe",
    ]
    answers = [refused(stranger.get("/v1/limits", headers=[("Authorization", value)])) for value in wrong]
    answers.append(refused(stranger.get("/v1/limits", params={"api_key": key, "access_token": key})))
    answers.append(refused(stranger.get("/v1/limits", headers={"x-api-key": key, "cookie": f"authorization={key}"})))
    doubled = [("Authorization", f"Bearer {key}"), ("Authorization", "Bearer wrong")]
    answers.append(refused(stranger.get("/v1/limits", headers=doubled)))
    assert all(answer == answers[0] for answer in answers)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer  "])
def test_the_key_opens(stranger: httpx.Client, guarded: Guarded, scheme: str) -> None:
    assert stranger.get("/v1/limits", headers={"authorization": f"{scheme} {guarded.key}"}).status_code == 200


def test_refusals_come_before_the_body_is_read(stranger: httpx.Client) -> None:
    def never() -> Iterator[bytes]:
        raise AssertionError("the body was read")
        yield b""

    refused(stranger.post("/v1/libraries", content=never(), headers={"content-type": "application/json"}))


def test_a_revoked_key_is_a_wrong_key(stranger: httpx.Client, guarded: Guarded) -> None:
    _, second = create_key(guarded.folder, KeyDraft("second"))
    first_headers, second_headers = ({"authorization": f"Bearer {key}"} for key in (guarded.key, second))
    assert stranger.get("/v1/limits", headers=second_headers).status_code == 200

    revoke_key(guarded.folder, guarded.key_id)

    never_made = refused(stranger.get("/v1/limits", headers={"authorization": "Bearer quire_never"}))
    assert refused(stranger.get("/v1/limits", headers=first_headers)) == never_made
    assert stranger.get("/v1/limits", headers=second_headers).status_code == 200


def test_keys_that_cannot_be_read_admit_nobody(
    stranger: httpx.Client, guarded: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: KeyTable) -> int:
        raise StorageFailed("The disk failed.")

    monkeypatch.setattr(KeyTable, "changes", fail)
    response = stranger.get("/v1/limits", headers={"authorization": f"Bearer {guarded.key}"})

    problem_of(response, 503, "storage-failed")
    assert stranger.get("/livez").status_code == 200


def test_a_websocket_is_closed(guarded: Guarded) -> None:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": "/livez", "headers": [], "query_string": b"", "subprotocols": []}
    asyncio.run(guarded.app(scope, receive, send))

    assert sent == [{"type": "websocket.close", "code": 1008}]


def test_in_process_nobody_is_asked(client: httpx.Client) -> None:
    assert client.get("/v1/limits").status_code == 200


def test_no_key_is_logged(
    stranger: httpx.Client, guarded: Guarded, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: KeyTable) -> int:
        raise RuntimeError("a bug")

    wrong = "quire_" + "canary" * 8
    with caplog.at_level(logging.DEBUG):
        for key in (guarded.key, wrong):
            for headers in ({"authorization": f"Bearer {key}"}, {"x-api-key": key}, {"authorization": key}):
                stranger.get("/v1/limits", headers=headers, params={"api_key": key})
                stranger.post("/v1/libraries", headers=headers, content=b"{", params={"api_key": key})
        monkeypatch.setattr(KeyTable, "changes", fail)
        response = stranger.get("/v1/limits", headers={"authorization": f"Bearer {guarded.key}"})
    problem_of(response, 500, "internal")
    ours = [record for record in caplog.records if record.name.startswith("quiredb")]
    assert len(ours) > 12
    logged = "\n".join(logging.Formatter().format(record) for record in ours)
    assert guarded.key not in logged
    assert wrong not in logged


def test_the_description_says_how_to_send_a_key() -> None:
    description = orjson.loads(describe())

    scheme = description["components"]["securitySchemes"]["bearer"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    assert description["security"] == [{}, {"bearer": []}]
    for path, operations in description["paths"].items():
        for operation in operations.values():
            assert ("401" in operation["responses"]) == (path not in FREE)
            assert ("403" in operation["responses"]) == isinstance(RIGHTS[operation["operationId"]], Right)
            assert operation.get("security") == ([] if path in FREE else None)
