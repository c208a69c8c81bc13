"""One real instance for all API tests, and a client that checks every answer against the contract."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic import TypeAdapter
from starlette.routing import Match

from quiredb.api.schemas.problems import Problem
from quiredb.app import Instance
from quiredb.local import ApplicationTransport
from quiredb.settings import Settings

BODY_BYTES_MAX = 32 * 1024 * 1024
LINE_BYTES_MAX = 1024 * 1024
LARGEST_PROBLEM = 16 * 1024

_PROBLEM = TypeAdapter(Problem)


@pytest.fixture(scope="session")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """A data folder with everything that serves it; background work is off."""
    folder = tmp_path_factory.mktemp("api") / "data"
    opened = Instance(Settings(data=folder, audit_share=1.0))
    opened._api_settings = replace(opened._api_settings, import_line_bytes_max=LINE_BYTES_MAX)
    opened.services.health.starting(None)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def app(instance: Instance) -> FastAPI:
    """The application over the instance."""
    return instance.api()


@pytest.fixture(scope="session")
def client(app: FastAPI) -> Iterator[httpx.Client]:
    """A client whose every answer is checked against the operation that gave it."""

    def check(response: httpx.Response) -> None:
        response.read()
        check_against_contract(app, response)

    transport = ApplicationTransport(app, lambda: None)
    with httpx.Client(base_url="http://test", transport=transport, event_hooks={"response": [check]}) as opened:
        yield opened


@pytest.fixture(scope="session")
def _numbers() -> Iterator[int]:
    return itertools.count()


@pytest.fixture
def make_library(client: httpx.Client, _numbers: Iterator[int]) -> Iterator[Callable[..., str]]:
    """Makes empty libraries under new ids and returns their paths; they go when the test ends."""
    made: list[str] = []

    def make(dimension: int = 3, **settings: Any) -> str:
        path = f"/v1/libraries/library-{next(_numbers)}"
        response = client.put(path, json={"dimension": dimension, **settings})
        assert response.status_code == 201, response.text
        made.append(path)
        return path

    yield make
    for path in made:
        client.delete(path)


@pytest.fixture
def library(make_library: Callable[..., str]) -> str:
    """The path of an empty library of dimension 3."""
    return make_library()


@pytest.fixture
def guide(client: httpx.Client, library: str) -> str:
    """The path of a library with one document `guide` of three chunks g0, g1, g2."""
    chunks = [{"id": f"g{i}", "text": f"text {i}", "embedding": [1, i, 0], "metadata": {"page": i}} for i in range(3)]
    body = {"metadata": {"title": "Guide", "tags": ["a"]}, "chunks": chunks}
    assert client.put(f"{library}/documents/guide", json=body).status_code == 201
    return library


def check_against_contract(app: FastAPI, response: httpx.Response) -> None:
    """The answer has a documented status and exactly the documented members; errors are small problem documents."""
    assert response.headers["x-request-id"]
    route = _route_of(app, response)
    if response.status_code >= 400 and response.headers["content-type"] != "application/json":
        _check_problem(response)
    if route is None:
        assert response.status_code in {404, 405}
        return
    documented = {200 if route.status_code is None else route.status_code, *route.responses}
    assert response.status_code in documented, f"{route.methods} {route.path} does not document {response.status_code}"
    if response.is_success and route.response_model is not None and response.content:
        adapter = TypeAdapter(route.response_model)
        body = response.json()
        assert adapter.dump_python(adapter.validate_python(body), mode="json") == body, "undocumented members"


def _check_problem(response: httpx.Response) -> None:
    assert response.headers["content-type"] == "application/problem+json"
    assert len(response.content) <= LARGEST_PROBLEM
    problem = response.json()
    assert _PROBLEM.dump_python(_PROBLEM.validate_python(problem)) == problem
    assert problem["status"] == response.status_code
    assert problem["request_id"] == response.headers["x-request-id"]
    assert problem["type"] == f"/problems/{problem['code']}"
    assert len(problem.get("errors", [])) <= 20


def _route_of(app: FastAPI, response: httpx.Response) -> APIRoute | None:
    request = response.request
    scope = {"type": "http", "method": request.method, "path": request.url.path, "root_path": "", "headers": []}
    for route in app.routes:
        if isinstance(route, APIRoute) and route.matches(scope)[0] is Match.FULL:
            return route
    return None


def problem_of(response: httpx.Response, status: int, code: str, pointer: str | None = None) -> dict[str, Any]:
    """The problem document of an answer, after checking what it says."""
    assert (response.status_code, response.json()["code"]) == (status, code), response.text[:2000]
    problem: dict[str, Any] = response.json()
    if pointer is not None:
        assert pointer in [error["pointer"] for error in problem["errors"]], problem["errors"]
    return problem
