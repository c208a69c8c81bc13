"""ETags: If-Match, If-None-Match, 304 and 412."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from quiredb.api.preconditions import is_unchanged
from tests.integration.api.conftest import problem_of

CHUNK = {"text": "t", "embedding": [1, 2, 3]}
RESOURCES: list[tuple[str, dict[str, Any]]] = [
    ("", {"dimension": 3}),
    ("/documents/guide", {}),
    ("/documents/guide/chunks/g0", CHUNK),
]


@pytest.mark.parametrize(("path", "body"), RESOURCES)
def test_if_match_guards_put_patch_and_delete(
    client: httpx.Client, guide: str, path: str, body: dict[str, Any]
) -> None:
    target = guide + path
    old = client.get(target).headers["etag"]
    new = client.put(target, json=body, headers={"if-match": old}).headers["etag"]
    assert new != old
    for response in (
        client.put(target, json=body, headers={"if-match": old}),
        client.patch(target, json={}, headers={"if-match": old}),
        client.delete(target, headers={"if-match": old}),
    ):
        problem_of(response, 412, "precondition-failed")
    assert client.get(target).headers["etag"] == new
    newest = client.patch(target, json={"metadata": {"tags": ["z"]}}, headers={"if-match": new}).headers["etag"]
    assert client.delete(target, headers={"if-match": newest}).status_code == 204


@pytest.mark.parametrize(("path", "body"), RESOURCES)
def test_if_none_match_star_creates_only(client: httpx.Client, guide: str, path: str, body: dict[str, Any]) -> None:
    response = client.put(guide + path, json=body, headers={"if-none-match": "*"})
    problem_of(response, 412, "precondition-failed")
    response = client.put(f"{guide}{path}-new", json=body, headers={"if-none-match": "*"})
    assert response.status_code == 201


@pytest.mark.parametrize(("path", "body"), RESOURCES)
def test_if_match_star_means_that_it_exists(client: httpx.Client, guide: str, path: str, body: dict[str, Any]) -> None:
    assert client.put(guide + path, json=body, headers={"if-match": "*"}).status_code == 200
    response = client.put(f"{guide}{path}-none", json=body, headers={"if-match": "*"})
    problem_of(response, 412, "precondition-failed")
    problem_of(client.get(f"{guide}{path}-none"), 404, "not-found")
    problem_of(client.delete(f"{guide}{path}-none", headers={"if-match": "*"}), 412, "precondition-failed")


@pytest.mark.parametrize(("path", "body"), RESOURCES)
def test_get_answers_304_while_nothing_changed(
    client: httpx.Client, guide: str, path: str, body: dict[str, Any]
) -> None:
    etag = client.get(guide + path).headers["etag"]
    for header in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        unchanged = client.get(guide + path, headers={"if-none-match": header})
        assert (unchanged.status_code, unchanged.content, unchanged.headers["etag"]) == (304, b"", etag)
    client.put(guide + path, json=body)
    assert client.get(guide + path, headers={"if-none-match": etag}).status_code == 200
    problem_of(client.get(guide + path, headers={"if-none-match": "no quotes"}), 400, "bad-request")


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"if-match": "1"}, 400, "bad-request"),
        ({"if-match": ""}, 400, "bad-request"),
        ({"if-match": '"1'}, 400, "bad-request"),
        ({"if-match": '"1", "2"'}, 400, "bad-request"),
        ({"if-none-match": '"1"'}, 400, "bad-request"),
        ({"if-none-match": "x"}, 400, "bad-request"),
        ({"if-match": '"1"', "if-none-match": "*"}, 400, "bad-request"),
        ({"if-match": 'W/"1"'}, 412, "precondition-failed"),
        ({"if-match": '"abc"'}, 412, "precondition-failed"),
        ({"if-match": '"' + "9" * 400 + '"'}, 412, "precondition-failed"),
        ({"if-match": '"-1"'}, 412, "precondition-failed"),
    ],
)
def test_conditions_that_cannot_hold(
    client: httpx.Client, guide: str, headers: dict[str, str], status: int, code: str
) -> None:
    for path, body in RESOURCES:
        problem_of(client.put(guide + path, json=body, headers=headers), status, code)


def test_a_library_is_matched_by_its_settings_not_its_contents(client: httpx.Client, guide: str) -> None:
    etag = client.get(guide).headers["etag"]
    client.put(f"{guide}/documents/more", json={})
    assert client.get(guide).headers["etag"] != etag
    assert client.get(guide, headers={"if-none-match": etag}).status_code == 200
    version = client.get(guide).json()["version"]
    assert client.patch(guide, json={}, headers={"if-match": etag}).status_code == 200
    problem_of(client.patch(guide, json={}, headers={"if-match": f'"{version}"'}), 412, "precondition-failed")
    version = client.get(guide).json()["version"]
    assert client.patch(guide, json={}, headers={"if-match": f'"{version}"'}).status_code == 200


def test_versions_are_in_bodies_and_tags(client: httpx.Client, guide: str) -> None:
    for path in ("/documents/guide", "/documents/guide/chunks/g0", "/chunks/g0"):
        response = client.get(guide + path)
        assert response.headers["etag"] == f'"{response.json()["version"]}"'


def test_positions_grow_with_every_write(client: httpx.Client, make_library: Callable[..., str]) -> None:
    library = make_library()
    writes = [
        client.put(f"{library}/documents/d", json={}),
        client.put(f"{library}/documents/d/chunks/c", json=CHUNK),
        client.patch(f"{library}/documents/d/chunks/c", json={"position": 4}),
        client.post(f"{library}/chunks/batch", json={"operations": [{"delete": {"id": "c"}}]}),
        client.patch(library, json={"metadata": {"title": "t"}}),
        client.delete(f"{library}/documents/d"),
    ]
    assert [response.headers["x-quire-position"] for response in writes] == list("123456")


def test_a_read_waits_for_a_position_and_then_gives_up(client: httpx.Client, guide: str) -> None:
    ready = {"x-quire-min-position": "1"}
    ahead = {"x-quire-min-position": "99", "x-quire-max-wait-ms": "1"}
    for path in ("", "/stats", "/index", "/documents", "/documents/guide", "/documents/guide/chunks", "/chunks/g0"):
        assert client.get(guide + path, headers=ready).headers["x-quire-position"] == "1"
        response = client.get(guide + path, headers=ahead)
        assert problem_of(response, 503, "replica-behind")["retryable"] is True
        assert response.headers["retry-after"]
    for path, body in (("/search", {"vector": [1, 2, 3]}), ("/count", {}), ("/chunks/scan", {})):
        assert client.post(guide + path, json=body, headers=ready).headers["x-quire-position"] == "1"
        problem_of(client.post(guide + path, json=body, headers=ahead), 503, "replica-behind")


def test_tags_are_compared_whole() -> None:
    assert is_unchanged('"1.2"', '"1.2"')
    assert not is_unchanged('"1"', '"1.2"')
    assert not is_unchanged(None, '"1"')
