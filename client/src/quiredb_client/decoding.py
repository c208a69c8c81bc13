"""From JSON objects of the API to the dataclasses of `models`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import datetime
from functools import cache
from typing import Any, TypeVar

from . import models
from .errors import UnexpectedAnswer
from .vectors import decode_vector
from .wire import decode

Model = TypeVar("Model")
Json = Mapping[str, Any]


def library(body: Json) -> models.Library:
    """A library."""
    return _build(models.Library, body)


def document(body: Json) -> models.Document:
    """A document; its metadata may be left out."""
    return _build(models.Document, {"metadata": {}, **body})


def chunk(body: Json) -> models.Chunk:
    """A chunk; its metadata may be left out."""
    return _build(models.Chunk, {"metadata": {}, **body})


def search_result(body: Json) -> models.SearchResult:
    """A search answer."""
    return _build(models.SearchResult, body)


def recall_report(body: Json) -> models.RecallReport:
    """A measurement of recall."""
    return _build(models.RecallReport, body)


def delete_report(body: Json) -> models.DeleteReport:
    """The answer to a delete by filter."""
    return _build(models.DeleteReport, body)


def batch_report(body: Json) -> models.BatchReport:
    """The answer to an atomic batch."""
    return _build(models.BatchReport, body)


def index_state(body: Json) -> models.IndexState:
    """The state of an index."""
    return _build(models.IndexState, body)


def stats(body: Json) -> models.Stats:
    """The numbers of a library."""
    return _build(models.Stats, body)


def job(body: Json) -> models.Job:
    """A job."""
    return _build(models.Job, body)


def readiness(body: Json, *, ready: bool, otherwise: str | None = None) -> models.Readiness:
    """A readiness report; its reason is the checks that do not hold, or `otherwise`."""
    checks = tuple(check for check in body.get("checks") or () if isinstance(check, dict))
    missing = "; ".join(f"{check.get('name')}: {check.get('detail')}" for check in checks if not check.get("ok"))
    return models.Readiness(ready=ready, checks=checks, reason=None if ready else missing or otherwise)


def is_document(line: bytes) -> bool:
    """Whether a line of an export is a document; the further chunks of a long document have lines of their own."""
    return "document_id" not in decode(line)


def decode_export(line: bytes) -> dict[str, Any]:
    """A line of an export, the embeddings of its chunks as arrays; bulk writes take it back as it is."""
    body = decode(line)
    for exported in body.get("chunks", (body,)):
        if exported.get("embedding") is not None:
            exported["embedding"] = decode_vector(exported["embedding"])
    return body


def _build(model: type[Model], body: Json) -> Model:
    """An instance of `model`; members it does not name go to `extra`.

    Raises:
        UnexpectedAnswer: a required member is missing or unreadable.
    """
    make: Callable[..., Model] = model
    names = _field_names(make)
    known: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    try:
        for name, value in body.items():
            if name not in names:
                extra[name] = value
            elif value is not None:
                convert = _CONVERTERS.get((model, name)) or _BY_NAME.get(name)
                known[name] = convert(value) if convert else value
        return make(**known, extra=extra)
    except (TypeError, ValueError, AttributeError) as error:
        raise UnexpectedAnswer(f"cannot read the server's {model.__name__}: {error}") from error


@cache
def _field_names(model: Any) -> frozenset[str]:
    return frozenset(field.name for field in fields(model)) - {"extra"}


def _hits(values: list[Json]) -> tuple[models.Hit, ...]:
    return tuple(_build(models.Hit, value) for value in values)


_BY_NAME: dict[str, Callable[[Any], Any]] = {
    "created_at": datetime.fromisoformat,
    "updated_at": datetime.fromisoformat,
    "embedding": decode_vector,
    "hits": _hits,
    "document": document,
}
_CONVERTERS: dict[tuple[type, str], Callable[[Any], Any]] = {
    (models.IndexState, "segments"): tuple,
    (models.BatchReport, "results"): tuple,
}
