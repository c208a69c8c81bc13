"""Every operation asked with every kind of key, against a truth that knows methods and paths only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from fastapi import APIRouter

from quiredb.api.application import describe
from quiredb.api.bodies import StrictRoute
from quiredb.api.door import Door
from quiredb.api.rights import RIGHTS
from quiredb.app import Instance
from quiredb.domain.keys import KeyDraft
from quiredb.domain.rights import Role
from quiredb.domain.times import now
from quiredb.local import ApplicationTransport
from quiredb.repositories.keys import KeyRing, create_key, revoke_key
from quiredb.settings import Settings
from tests.integration.api.conftest import problem_of

OPERATIONS = [
    (method.upper(), path, operation["operationId"])
    for path, operations in orjson.loads(describe())["paths"].items()
    for method, operation in operations.items()
]
OPEN, ANY, READ, WRITE, ADMIN, METRICS, SERVER = "open", "any", "read", "write", "admin", "metrics", "server"
READING_POSTS = ("/search", "/search/batch", "/recall", "/count", "/chunks/scan")
MAY: dict[str, set[str]] = {
    "read": {OPEN, ANY, READ},
    "write": {OPEN, ANY, READ, WRITE},
    "admin": {OPEN, ANY, READ, WRITE, ADMIN},
    "metrics": {OPEN, ANY, METRICS},
    "server-admin": {OPEN, ANY, READ, WRITE, ADMIN, METRICS, SERVER},
}
HOLDERS = [None, "wrong", "expired", "revoked", *MAY, "other-library"]


def needed(method: str, path: str) -> str:
    """What a request needs, told by its method and path."""
    if path in {"/livez", "/readyz", "/startupz", "/version"}:
        return OPEN
    if path == "/metrics":
        return METRICS
    if not path.startswith("/v1/") or path == "/v1/limits":
        return ANY
    if path.startswith("/v1/jobs"):
        return ADMIN if method == "DELETE" else READ
    if path == "/v1/libraries" and method == "GET":
        return READ
    if not path.startswith("/v1/libraries/{library}") or (path, method) == ("/v1/libraries/{library}", "PUT"):
        return SERVER
    if method == "GET" or path.endswith(READING_POSTS):
        return READ
    settings = path.endswith(("{library}", "/index"))
    return ADMIN if settings else WRITE


@dataclass
class House:
    """Two libraries, `mine` and `theirs`, and a key of each kind; those of read, write and admin are for `mine`."""

    client: httpx.Client
    folder: Path
    keys: dict[str, str] = field(default_factory=dict)
    days: timedelta = timedelta()

    def calendar(self) -> datetime:
        return now() + self.days

    def add(self, name: str, role: str, *libraries: str, hours: int | None = None) -> str:
        ends = None if hours is None else now() + timedelta(hours=hours)
        made, self.keys[name] = create_key(self.folder, KeyDraft(name, Role(role), libraries or None, ends))
        return made.id

    def ask(self, holder: str | None, method: str, path: str, **request: Any) -> httpx.Response:
        headers = dict(request.pop("headers", {}))
        if holder is not None:
            headers["authorization"] = f"Bearer {self.keys[holder]}"
        return self.client.request(method, path, headers=headers, **request)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    instance = Instance(Settings(data=tmp_path_factory.mktemp("rights") / "data"))
    instance.services.health.starting(None)
    house = House(httpx.Client(), instance.repository.folder.path)
    for role in MAY:
        house.add(role, role, *(["mine"] if role in {"read", "write", "admin"} else []))
    house.add("other-library", "admin", "theirs")
    house.add("expired", "server-admin", hours=1)
    revoke_key(house.folder, house.add("revoked", "server-admin"))
    house.keys["wrong"] = house.keys["server-admin"][:-1] + "x"
    house.days = timedelta(days=1)
    ring = KeyRing(house.folder, required=True, clock=iter(range(10**9)).__next__, calendar=house.calendar)
    transport = ApplicationTransport(
        instance.api(door=Door(ring.identify, clock=iter(range(0, 10**9, 60)).__next__)), ring.close
    )
    with httpx.Client(base_url="http://test", transport=transport) as client:
        house.client = client
        for library in ("mine", "theirs"):
            body = {"dimension": 3}
            assert house.ask("server-admin", "PUT", f"/v1/libraries/{library}", json=body).status_code == 201
        chunk = {"id": "secret", "text": "canary", "embedding": [1, 2, 3]}
        made = house.ask("server-admin", "PUT", "/v1/libraries/theirs/documents/paper", json={"chunks": [chunk]})
        assert made.status_code == 201
        yield house
    instance.close()


@pytest.mark.parametrize("holder", HOLDERS)
@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS, ids=[one[2] for one in OPERATIONS])
def test_who_may_do_what(house: House, holder: str | None, method: str, path: str, operation: str) -> None:
    concrete = path.replace("{library}", "mine").replace("{", "").replace("}", "")
    # A body that is refused later than rights are judged, and a version that no resource has: nothing is changed.
    headers = {"content-type": "text/plain", "if-match": '"999"', "x-forwarded-user": "admin", "x-library": "theirs"}
    answer = house.ask(holder, method, concrete, content=b"{", headers=headers)

    need = needed(method, path)
    if need == OPEN:
        assert answer.status_code == 200
    elif holder in {None, "wrong", "expired", "revoked"}:
        problem_of(answer, 401, "unauthenticated")
    elif holder == "other-library" and "{library}" in path:
        assert problem_of(answer, 404, "not-found")["detail"] == "There is no library 'mine'."
    elif need in MAY["admin" if holder == "other-library" else str(holder)]:
        assert answer.status_code not in {401, 403, 500}
        assert "There is no library" not in answer.text
    else:
        problem_of(answer, 403, "forbidden")


@pytest.mark.parametrize("path", ["", "/search", "/documents/paper", "/chunks/secret", "/export", "/stats", "/nowhere"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "PUT", "PATCH"])
def test_a_foreign_library_is_like_a_missing_one(house: House, method: str, path: str) -> None:
    answers = []
    for library in ("theirs", "absent"):
        answer = house.ask("admin", method, f"/v1/libraries/{library}{path}", json={"vector": [1, 2, 3]})
        named = answer.text.replace(library, "LIBRARY").replace(answer.headers["x-request-id"], "ID")
        answers.append((answer.status_code, named))
    assert answers[0] == answers[1]
    assert answers[0][0] in {404, 405}


def test_lists_show_what_the_key_is_for(house: House) -> None:
    def listed(holder: str) -> list[str]:
        return [one["id"] for one in house.ask(holder, "GET", "/v1/libraries").json()["items"]]

    assert listed("read") == ["mine"]
    assert listed("other-library") == ["theirs"]
    assert listed("server-admin") == ["mine", "theirs"]


def test_jobs_of_a_foreign_library_do_not_exist(house: House) -> None:
    built = house.ask("other-library", "PUT", "/v1/libraries/theirs/index", json={"kind": "flat"})
    job = built.json()["id"]

    assert house.ask("other-library", "GET", f"/v1/jobs/{job}").status_code == 200
    assert [one["id"] for one in house.ask("other-library", "GET", "/v1/jobs").json()["items"]] == [job]
    problem_of(house.ask("admin", "GET", f"/v1/jobs/{job}"), 404, "not-found")
    problem_of(house.ask("admin", "DELETE", f"/v1/jobs/{job}"), 404, "not-found")
    assert house.ask("admin", "GET", "/v1/jobs").json()["items"] == []


def test_a_body_that_names_a_foreign_document_reaches_nothing(house: House) -> None:
    before = house.ask("server-admin", "GET", "/v1/libraries/theirs/export").text
    put = {"put": {"id": "n", "document_id": "paper", "text": "t", "embedding": [1, 2, 3]}}
    answer = house.ask("write", "POST", "/v1/libraries/mine/chunks/batch", json={"operations": [put]})

    problem_of(answer, 404, "not-found")
    problem_of(house.ask("write", "GET", "/v1/libraries/mine/chunks/secret"), 404, "not-found")
    assert house.ask("write", "POST", "/v1/libraries/mine/count", json={}).json()["count"] == 0
    assert house.ask("server-admin", "GET", "/v1/libraries/theirs/export").text == before


@pytest.mark.parametrize(
    "path",
    [
        "/v1/libraries/mine%2f..%2ftheirs",
        "/v1/libraries/mine/..%2ftheirs/export",
        "/v1/libraries//theirs/export",
        "/v1/libraries/mine;/../theirs/export",
        "/v1/libraries/mine%5c..%5ctheirs/export",
        "/v1/libraries/mine%252e%252e/theirs/export",
        "/v1/libraries/%74heirs/export",
        "/v1/libraries/theirs%2fexport",
        "//v1/libraries/theirs/export",
        "/livez/../v1/libraries/theirs/export",
        "/livez%2f..%2fv1%2flibraries",
    ],
)
def test_spellings_of_a_path_open_nothing(house: House, path: str) -> None:
    problem_of(house.ask(None, "GET", path), 401, "unauthenticated")
    problem_of(house.ask("read", "GET", path), 404, "not-found")


def test_keys_are_made_listed_and_revoked(house: House) -> None:
    body = {"name": "reader", "role": "read", "libraries": ["mine"], "expires_at": "2099-01-01T00:00:00Z"}
    made = house.ask("server-admin", "POST", "/v1/keys", json=body)
    assert made.status_code == 201
    house.keys["made"] = made.json()["key"]
    described = {name: value for name, value in made.json().items() if name != "key"}

    assert described.items() >= {**body, "expires_at": "2099-01-01T00:00:00.000000Z", "last_used_at": None}.items()
    assert house.ask("made", "GET", "/v1/libraries/mine").status_code == 200
    problem_of(house.ask("made", "DELETE", "/v1/libraries/mine"), 403, "forbidden")
    listed = house.ask("server-admin", "GET", "/v1/keys")
    assert described in listed.json()["items"]
    assert not [key for key in house.keys.values() if key in listed.text]
    assert house.ask("server-admin", "DELETE", f"/v1/keys/{made.json()['id']}").status_code == 204
    problem_of(house.ask("made", "GET", "/v1/libraries/mine"), 401, "unauthenticated")
    problem_of(house.ask("server-admin", "DELETE", f"/v1/keys/{made.json()['id']}"), 404, "not-found")


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"role": "root"}, "/role"),
        ({"role": None}, "/role"),
        ({"name": ""}, "/name"),
        ({"name": "a\u202e\nb"}, "/name"),
        ({"libraries": []}, "/libraries"),
        ({"libraries": ["a/b"]}, "/libraries/0"),
        ({"role": "server-admin"}, "/libraries"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "/expires_at"),
        ({"expires_at": "tomorrow"}, "/expires_at"),
        ({"key": "mine"}, "/key"),
    ],
)
def test_keys_that_cannot_be(house: House, change: dict[str, Any], pointer: str) -> None:
    body = {"name": "reader", "role": "read", "libraries": ["mine"], **change}
    before = house.ask("server-admin", "GET", "/v1/keys").json()["items"]
    problem_of(house.ask("server-admin", "POST", "/v1/keys", json=body), 422, "validation", pointer)
    after = house.ask("server-admin", "GET", "/v1/keys").json()["items"]
    assert [one["id"] for one in after] == [one["id"] for one in before]


def test_every_operation_has_its_right_and_no_other() -> None:
    assert {operation for _, _, operation in OPERATIONS} == RIGHTS.keys()


def test_an_operation_without_a_right_cannot_be_declared() -> None:
    router = APIRouter(route_class=StrictRoute)
    with pytest.raises(AssertionError, match=r"say in api/rights.py what open_sesame needs"):
        router.add_api_route("/sesame", lambda: None, operation_id="open_sesame")
