"""Names, origins, rates, headers and the audit log, without a socket."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from quiredb.api.door import Door
from quiredb.api.middleware.request_limits import RequestLimits
from quiredb.app import Instance
from quiredb.domain.errors import StorageFull
from quiredb.domain.rights import EVERYBODY, Principal, Right
from quiredb.local import ApplicationTransport
from tests.integration.api.conftest import problem_of

READER = Principal("reader", frozenset({Right.READ}), frozenset({"mine"}))


@contextmanager
def through(instance: Instance, door: Door) -> Iterator[httpx.Client]:
    transport = ApplicationTransport(instance.api(door=door), lambda: None)
    with httpx.Client(base_url="http://127.0.0.1", transport=transport) as client:
        yield client


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:7333", "LocalHost", "[::1]:7333", "db.internal"])
def test_own_names_are_answered(instance: Instance, host: str) -> None:
    names = ("localhost", "127.0.0.1", "[::1]", "db.internal")
    with through(instance, Door(hosts=names)) as client:
        assert client.get("/v1/limits", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil", "x/docs?", "a@127.0.0.1", "[::1", "", "127.0.0.1:"])
def test_other_names_are_not(instance: Instance, host: str) -> None:
    with through(instance, Door(hosts=("127.0.0.1",))) as client:
        problem_of(client.get("/v1/limits", headers={"host": host}), 400, "bad-request")


def test_probes_are_answered_under_any_name_that_is_one(instance: Instance) -> None:
    with through(instance, Door(hosts=("127.0.0.1",))) as client:
        assert client.get("/livez", headers={"host": "10.0.0.7:7333"}).status_code == 200
        problem_of(client.get("/livez", headers={"host": "x/docs?"}), 400, "bad-request")


@pytest.mark.parametrize("method", ["OPTIONS", "POST", "PUT", "DELETE"])
@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:8080", "https://127.0.0.1"])
def test_pages_of_other_origins_may_not_write(instance: Instance, method: str, origin: str) -> None:
    with through(instance, Door()) as client:
        answer = client.request(method, "/v1/libraries/any", headers={"origin": origin})
        problem_of(answer, 403, "origin-denied")
        assert not [name for name in answer.headers if name.startswith("access-control")]
        own = client.request(method, "/v1/libraries/any", headers={"origin": "http://127.0.0.1"})
        assert own.status_code != 403


@pytest.mark.parametrize(("path", "status"), [("/livez", 200), ("/v1/limits", 200), ("/nowhere", 404)])
def test_every_answer_has_security_headers(client: httpx.Client, path: str, status: int) -> None:
    answer = client.get(path)
    assert answer.status_code == status
    expected = {
        "x-content-type-options": "nosniff",
        "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
        "referrer-policy": "no-referrer",
        "cache-control": "no-store",
    }
    assert expected.items() <= dict(answer.headers).items()
    assert "strict-transport-security" not in answer.headers


def test_over_tls_browsers_are_told_to_stay_there(client: httpx.Client) -> None:
    assert "strict-transport-security" in client.get("https://test/livez").headers


def test_a_key_has_its_rate(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    who = [READER]
    monkeypatch.setattr(instance, "_api_settings", replace(instance._api_settings, requests_per_second_max=1))
    with through(instance, Door(lambda _: who[0], clock=lambda: now[0])) as client:
        assert [client.get("/v1/limits").status_code for _ in range(3)] == [200, 200, 429]
        refused = client.get("/v1/limits")
        problem_of(refused, 429, "rate-limited")
        assert refused.headers["retry-after"] == "1"
        assert client.get("/livez").status_code == 200
        who[0] = EVERYBODY
        assert client.get("/v1/limits").status_code == 200
        who[0], now[0] = READER, 1.0
        assert client.get("/v1/limits").status_code == 200


def test_failed_logins_are_counted_by_address(instance: Instance) -> None:
    now = [0.0]
    door = Door(lambda key: READER if key == b"right" else None, clock=lambda: now[0])
    with through(instance, door) as client:

        def login(key: str) -> httpx.Response:
            return client.get("/v1/limits", headers={"authorization": f"Bearer {key}"})

        assert [login("wrong").status_code for _ in range(11)] == [401] * 10 + [429]
        assert login("wrong").headers["retry-after"] == "6"
        assert login("right").status_code == 200
        assert client.get("/v1/limits").status_code == 401
        now[0] = 6.0
        assert [login("wrong").status_code for _ in range(2)] == [401, 429]


class Crowd:
    """Requests that are held in flight behind limits until they are let go, and which of them were refused."""

    def __init__(self, at_once_max: int) -> None:
        self.refused: list[str] = []
        self._held: list[asyncio.Task[None]] = []
        self._let_go = asyncio.Event()
        self._limited = RequestLimits(self._answer, at_once_max, 0)
        self.state = SimpleNamespace(metrics=SimpleNamespace(problem=lambda error: None))

    async def ask(self, path: str, principal: Principal = EVERYBODY, address: str = "192.0.2.1") -> None:
        """Send a request and wait until it is held or refused."""
        self._held.append(asyncio.create_task(self._ask(path, principal, address)))
        await asyncio.sleep(0)

    async def go(self) -> None:
        """Let all that are held be answered."""
        self._let_go.set()
        await asyncio.gather(*self._held)
        self._let_go.clear()

    async def _ask(self, path: str, principal: Principal, address: str) -> None:
        state = {"request_id": "x" * 8, "principal": principal}
        scope = {"type": "http", "path": path, "client": (address, 1), "headers": [], "state": state, "app": self}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                assert message["status"] == 503
                self.refused.append(path)

        await self._limited(scope, None, send)  # type: ignore[arg-type]

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        await self._let_go.wait()


def test_only_so_many_requests_are_in_flight() -> None:
    async def crowd() -> list[str]:
        asked = Crowd(2)
        for path in ("/v1/limits", "/version", "/v1/libraries", "/version"):
            await asked.ask(path, address=f"192.0.2.{len(path)}")
        for path in ("/livez", "/readyz", "/startupz", "/metrics"):
            await asked.ask(path)
        await asked.go()
        await asked.ask("/v1/limits")
        await asked.go()
        return asked.refused

    assert asyncio.run(crowd()) == ["/v1/libraries", "/version"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((EVERYBODY, "192.0.2.1"), (EVERYBODY, "192.0.2.2")),
        ((EVERYBODY, "2001:db8:0:1::1"), (EVERYBODY, "2001:db8:0:2::1")),
        ((READER, "192.0.2.1"), (replace(READER, key_id="other"), "192.0.2.1")),
    ],
)
def test_one_who_asks_leaves_half_of_the_places_to_others(
    first: tuple[Principal, str], second: tuple[Principal, str]
) -> None:
    async def crowd() -> list[str]:
        asked = Crowd(6)
        for one, times in ((first, 4), (second, 3)):
            for number in range(times):
                await asked.ask(f"/v1/{one == first}/{number}", *one)
        await asked.go()
        await asked.ask("/v1/again", *first)
        await asked.go()
        return asked.refused

    assert asyncio.run(crowd()) == ["/v1/True/3"]


def test_writes_and_denials_are_recorded_without_what_was_sent(instance: Instance) -> None:
    lines: list[Any] = []
    who: list[Principal | None] = [EVERYBODY]
    with through(instance, Door(lambda _: who[0], record=lines.append)) as client:
        client.put("/v1/libraries/audited", json={"dimension": 3})
        client.put("/v1/libraries/audited/documents/secret-name", json={"metadata": {"title": "canary"}})
        client.get("/v1/libraries/audited/documents/secret-name")
        client.put("/v1/libraries/audited/documents/a%20b", json={})
        client.delete("/v1/libraries/audited")
        who[0] = READER
        client.get("/v1/libraries/theirs", headers={"authorization": "Bearer canary"})
        client.get("/v1/libraries/mine")
        client.delete("/v1/libraries/mine")
        who[0] = None
        client.get("/v1/libraries?key=canary")

    assert [(line["key"], line["action"], line["library"], line["status"], line["result"]) for line in lines] == [
        (None, "put_library", "audited", 201, "done"),
        (None, "put_document", "audited", 201, "done"),
        (None, "put_document", "audited", 422, "failed"),
        (None, "delete_library", "audited", 204, "done"),
        ("reader", "get_library", "theirs", 404, "denied"),
        ("reader", "delete_library", "mine", 403, "denied"),
        (None, None, None, 401, "denied"),
    ]
    assert not [line for line in lines if "canary" in str(line) or "secret-name" in str(line)]
    assert all(line["time"].endswith("Z") and line["request_id"] and line["address"] for line in lines)


def test_a_request_is_answered_though_its_line_cannot_be_written(instance: Instance) -> None:
    def fail(_: Any) -> None:
        raise StorageFull("No space.")

    with through(instance, Door(record=fail)) as client:
        assert client.put("/v1/libraries/unaudited", json={"dimension": 3}).status_code == 201
        assert client.delete("/v1/libraries/unaudited").status_code == 204
