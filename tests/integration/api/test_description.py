"""The OpenAPI document and docs/api.md keep up with the code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic import BaseModel

from quiredb.api.application import describe
from quiredb.api.errors import KINDS
from quiredb.domain import errors

DESCRIPTION: dict[str, Any] = orjson.loads(describe())
OPERATIONS = [
    (f"{method.upper()} {path}", operation)
    for path, operations in DESCRIPTION["paths"].items()
    for method, operation in operations.items()
]


def test_the_committed_document_is_current(repository: Path, client: httpx.Client) -> None:
    committed = (repository / "docs" / "openapi.json").read_text()
    assert committed == describe(), "run: python -m quiredb.api > docs/openapi.json"
    assert client.get("/openapi.json").text == committed


@pytest.mark.parametrize(("name", "operation"), OPERATIONS)
def test_every_operation_is_described(name: str, operation: dict[str, Any]) -> None:
    assert operation["summary"]
    assert operation["description"]
    assert operation["tags"]
    assert "HTTPValidationError" not in orjson.dumps(operation).decode()
    for parameter in operation.get("parameters", ()):
        assert parameter["schema"], f"{name}: {parameter['name']}"
    if "/v1/" in name:
        assert {"422", "500", "503"} <= operation["responses"].keys()
    for status, response in operation["responses"].items():
        if status.startswith(("4", "5")) and not name.endswith(("/readyz", "/startupz")):
            assert response["content"].keys() == {"application/problem+json"}


@pytest.mark.parametrize(("name", "operation"), OPERATIONS)
def test_every_body_has_an_example(name: str, operation: dict[str, Any]) -> None:
    for content in operation.get("requestBody", {}).get("content", {}).values():
        schema = content["schema"]
        if "$ref" in schema:
            named = DESCRIPTION["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
            assert schema.get("examples") or named.get("examples"), name
        else:
            assert content["example"], name


def test_the_examples_are_valid(app: FastAPI) -> None:
    checked = 0
    for route in app.routes:
        if not isinstance(route, APIRoute) or route.body_field is None:
            continue
        model = route.body_field.field_info.annotation
        assert isinstance(model, type)
        assert issubclass(model, BaseModel)
        for example in route.body_field.field_info.examples or ():
            model.model_validate(example)
            checked += 1
    assert checked > 10


def test_operation_ids_are_unique() -> None:
    identifiers = [operation["operationId"] for _, operation in OPERATIONS]
    assert len(set(identifiers)) == len(identifiers)


def test_references_lead_somewhere() -> None:
    text = orjson.dumps(DESCRIPTION).decode()
    for reference in {part.split('"')[0] for part in text.split('"$ref":"')[1:]}:
        node: Any = DESCRIPTION
        for step in reference.removeprefix("#/").split("/"):
            node = node[step]


def test_every_error_has_a_status() -> None:
    def descendants(kind: type) -> set[type]:
        return {kind}.union(*(descendants(child) for child in kind.__subclasses__()))

    listed = {kind.error for kind in KINDS}
    domain = {kind for kind in descendants(errors.QuireError) if kind.__module__ == errors.__name__}
    assert domain - listed == {errors.QuireError}


def test_the_guide_names_every_route_and_error(repository: Path) -> None:
    guide = (repository / "docs" / "api.md").read_text()
    for name, _ in OPERATIONS:
        method, path = name.split(" ")
        assert f"`{path}`" in guide, name
        assert method in guide
    for kind in KINDS:
        assert f"| {kind.status} | `{kind.code}` |" in guide, kind
