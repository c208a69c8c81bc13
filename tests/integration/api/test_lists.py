"""Paging: every item once, in order, whatever the page size; cursors belong to their list."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quiredb.api.cursors import CursorSigner
from quiredb.domain.errors import ValidationFailed
from tests.integration.api.conftest import problem_of


def _all_pages(client: httpx.Client, path: str, limit: int) -> list[str]:
    found: list[str] = []
    parameters: dict[str, str | int] = {"limit": limit}
    while True:
        page = client.get(path, params=parameters).json()
        assert len(page["items"]) <= limit
        found += [item["id"] for item in page["items"]]
        if page["next_cursor"] is None:
            return found
        parameters["cursor"] = page["next_cursor"]


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 100])
def test_chunks_and_documents_by_pages(client: httpx.Client, guide: str, limit: int) -> None:
    for name in ("b", "a.b", "z"):
        client.put(f"{guide}/documents/{name}", json={})
    assert _all_pages(client, f"{guide}/documents", limit) == ["a.b", "b", "guide", "z"]
    assert _all_pages(client, f"{guide}/documents/guide/chunks", limit) == ["g0", "g1", "g2"]


def test_libraries_by_pages(client: httpx.Client, make_library: Callable[..., str]) -> None:
    made = [make_library().removeprefix("/v1/libraries/") for _ in range(3)]
    found = _all_pages(client, "/v1/libraries", 2)
    assert found == sorted(found)
    assert set(made) <= set(found)


def test_jobs_by_pages(client: httpx.Client, make_library: Callable[..., str]) -> None:
    jobs = [client.put(f"{make_library()}/index", json={"kind": "flat"}).json()["id"] for _ in range(3)]
    found = _all_pages(client, "/v1/jobs", 1)
    assert [job for job in found if job in jobs] == sorted(jobs)


def test_chunks_at_one_position_are_not_lost_between_pages(client: httpx.Client, guide: str) -> None:
    chunks = [{"id": f"s{i}", "text": "t", "embedding": [1, 2, 3], "position": 5} for i in range(7)]
    client.put(f"{guide}/documents/same", json={"chunks": chunks})
    assert _all_pages(client, f"{guide}/documents/same/chunks", 2) == [f"s{i}" for i in range(7)]


def test_a_cursor_belongs_to_its_list(client: httpx.Client, make_library: Callable[..., str]) -> None:
    one, other = make_library(), make_library()
    for library in (one, other):
        for name in ("a", "b"):
            client.put(f"{library}/documents/{name}", json={})
    cursor = client.get(f"{one}/documents?limit=1").json()["next_cursor"]
    assert client.get(f"{one}/documents", params={"cursor": cursor}).status_code == 200
    for path in (f"{other}/documents", "/v1/libraries", "/v1/jobs", f"{one}/documents/a/chunks"):
        problem_of(client.get(path, params={"cursor": cursor}), 422, "validation", "/query/cursor")
    forged = ("A" if cursor[0] != "A" else "B") + cursor[1:]
    problem_of(client.get(f"{one}/documents", params={"cursor": forged}), 422, "validation", "/query/cursor")


@given(st.binary(min_size=1, max_size=40), st.lists(st.text(max_size=9) | st.integers(0, 2**31), max_size=2))
def test_any_changed_byte_of_a_cursor_is_noticed(secret: bytes, place: list[str | int]) -> None:
    signer = CursorSigner(secret)
    cursor = signer.write("/list", place)
    assert signer.read("/list", cursor) == place
    for scope, text in (("/other", cursor), ("/list", cursor[:-1]), ("/list", cursor + "A"), ("/list", "")):
        with pytest.raises(ValidationFailed):
            signer.read(scope, text)
    with pytest.raises(ValidationFailed):
        CursorSigner(secret + b"!").read("/list", cursor)
