"""Libraries: the whole life of one."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from tests.integration.api.conftest import problem_of

MERGE_PATCH = {"content-type": "application/merge-patch+json"}


def test_created_read_changed_deleted(client: httpx.Client) -> None:
    body = {
        "id": "life",
        "dimension": 4,
        "metric": "dot",
        "index": {"kind": "graph", "parameters": {"degree": 16}},
        "metadata": {"title": "Life", "tags": ["x"], "attributes": {"n": 1.5, "on": True, "list": ["a"]}},
    }
    created = client.post("/v1/libraries", json=body)
    assert (created.status_code, created.headers["location"]) == (201, "/v1/libraries/life")
    library = created.json()
    assert {name: library[name] for name in body} == body
    assert (library["document_count"], library["chunk_count"], library["position"], library["embedder"]) == (
        0,
        0,
        0,
        None,
    )
    read = client.get("/v1/libraries/life")
    assert read.json() == library
    assert read.headers["x-quire-position"] == "0"

    patched = client.patch("/v1/libraries/life", json={"metadata": {"title": None, "attributes": {"n": 2, "on": None}}})
    assert patched.json()["metadata"] == {"tags": ["x"], "attributes": {"n": 2, "list": ["a"]}}
    assert patched.json()["index"] == body["index"]
    assert patched.json()["version"] > library["version"]
    assert client.delete("/v1/libraries/life").status_code == 204
    problem_of(client.get("/v1/libraries/life"), 404, "not-found")
    problem_of(client.delete("/v1/libraries/life"), 404, "not-found")


def test_an_id_is_made_when_none_is_given(client: httpx.Client) -> None:
    created = client.post("/v1/libraries", json={"dimension": 2})
    assert created.headers["location"] == f"/v1/libraries/{created.json()['id']}"
    assert client.get(created.headers["location"]).json() == created.json()


def test_a_taken_id_is_a_conflict(client: httpx.Client, library: str) -> None:
    problem_of(
        client.post("/v1/libraries", json={"id": library.removeprefix("/v1/libraries/"), "dimension": 3}),
        409,
        "conflict",
    )


def test_put_creates_then_replaces(client: httpx.Client, library: str) -> None:
    replaced = client.put(library, json={"dimension": 3, "metadata": {"title": "New"}})
    assert (replaced.status_code, replaced.json()["metadata"]) == (200, {"title": "New"})
    assert client.put(library, json={}).json()["metadata"] == {}


@pytest.mark.parametrize("change", [{"dimension": 4}, {"metric": "l2"}])
def test_dimension_and_metric_stay(client: httpx.Client, library: str, change: dict[str, object]) -> None:
    problem_of(client.put(library, json={"dimension": 3, **change}), 409, "conflict")
    problem_of(client.patch(library, json=change), 409, "conflict")
    assert client.patch(library, json={"dimension": 3, "metric": "cosine"}).status_code == 200


def test_the_id_in_the_body_is_the_one_in_the_path(client: httpx.Client, library: str) -> None:
    problem_of(client.put(library, json={"id": "another", "dimension": 3}), 422, "validation", "/id")


@pytest.mark.parametrize(
    ("patch", "pointer"),
    [
        ({"id": "x"}, "/id"),
        ({"metadata": {"titel": "x"}}, "/metadata/titel"),
        ({"metadata": 3}, "/metadata"),
        ({"index": {"kind": "tree"}}, "/index/kind"),
        ({"dimension": None}, "/dimension"),
        ({"embedder": {"provider": "x"}}, "/embedder/model"),
    ],
)
def test_patches_that_cannot_be(client: httpx.Client, library: str, patch: dict[str, object], pointer: str) -> None:
    problem_of(client.patch(library, json=patch, headers=MERGE_PATCH), 422, "validation", pointer)


@pytest.mark.parametrize(
    ("kind", "parameters", "code"),
    [
        ("ivf", {"degree": 16}, "unknown-parameter"),
        ("graph", {"lists": 16}, "unknown-parameter"),
        ("ivf", {"lists": 0}, "greater-than-equal"),
    ],
)
def test_parameters_belong_to_a_kind_of_index(
    client: httpx.Client, library: str, kind: str, parameters: dict[str, int], code: str
) -> None:
    (name,) = parameters
    body = {"kind": kind, "parameters": parameters}
    problem = problem_of(client.put(f"{library}/index", json=body), 422, "validation", f"/parameters/{name}")
    assert problem["errors"][0]["code"] == code


def test_an_ivf_is_asked_for_like_every_index(client: httpx.Client, library: str) -> None:
    assert client.put(f"{library}/index", json={"kind": "ivf", "parameters": {"lists": 50}}).status_code == 202
    index = client.get(f"{library}/index").json()
    assert (index["kind"], index["parameters"]) == ("ivf", {"lists": 50})
    assert "parted into lists" in index["reason"]


def test_an_embedder_that_is_not_configured(client: httpx.Client) -> None:
    body = {"dimension": 3, "embedder": {"provider": "nobody", "model": "none"}}
    problem_of(client.post("/v1/libraries", json=body), 422, "embedder-not-configured")


def test_a_chunk_without_embedding_needs_an_embedder(client: httpx.Client, guide: str) -> None:
    response = client.post(f"{guide}/documents/guide/chunks", json={"text": "no vector"})
    problem_of(response, 422, "validation", "/embedding")
    response = client.post(f"{guide}/search", json={"text": "no vector"})
    problem_of(response, 422, "validation", "/text")


def test_stats_count_what_is_there(client: httpx.Client, guide: str) -> None:
    stats = client.get(f"{guide}/stats").json()
    assert (stats["document_count"], stats["chunk_count"], stats["position"]) == (1, 3, 1)
    assert stats["recall"] is None
    assert stats["index"]["state"] == "ready"


def test_the_index_of_a_library(client: httpx.Client, guide: str) -> None:
    index = client.get(f"{guide}/index").json()
    assert (index["kind"], index["state"], index["progress"]) == ("auto", "ready", 1.0)
    assert index["reason"]


def test_choosing_an_index_is_a_job(client: httpx.Client, guide: str) -> None:
    answered = client.put(f"{guide}/index", json={"kind": "flat"})
    job = answered.json()
    assert (answered.status_code, answered.headers["location"]) == (202, f"/v1/jobs/{job['id']}")
    assert (job["library"], job["kind"]) == (guide.removeprefix("/v1/libraries/"), "index")
    assert client.get(f"/v1/jobs/{job['id']}").json()["id"] == job["id"]
    assert job["id"] in [one["id"] for one in client.get("/v1/jobs?limit=1000").json()["items"]]
    assert client.delete(f"/v1/jobs/{job['id']}").status_code == 204
    assert client.get(f"/v1/jobs/{job['id']}").json()["state"] == "cancelled"
    problem_of(client.delete(f"/v1/jobs/{job['id']}"), 409, "conflict")
    assert client.get(guide).json()["index"]["kind"] == "flat"


def test_deleting_a_library_leaves_others(client: httpx.Client, make_library: Callable[..., str]) -> None:
    one, other = make_library(), make_library()
    client.delete(one)
    assert client.get(other).status_code == 200
