"""JSON out and in, and the request bodies that are more than their arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from .errors import UnexpectedAnswer
from .filters import Filter
from .inputs import SearchInput, Vector
from .vectors import encode_vector, encode_vectors


def encode(value: object) -> bytes:
    """JSON of plain values, filters, NumPy scalars and date-times (RFC 3339, UTC).

    Raises:
        TypeError: a value that JSON cannot say, or a date-time without a time zone.
    """
    try:
        return orjson.dumps(value, default=_plain, option=orjson.OPT_PASSTHROUGH_DATETIME)
    except orjson.JSONEncodeError as error:
        if isinstance(error.__cause__, TypeError):
            raise error.__cause__ from None
        raise TypeError(str(error)) from None


def decode(body: bytes) -> dict[str, Any]:
    """The JSON object of an answer.

    Raises:
        UnexpectedAnswer: the answer is not a JSON object.
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise UnexpectedAnswer(f"the server's answer is not JSON ({error}); is the address right?") from None
    if not isinstance(value, dict):
        raise UnexpectedAnswer(f"expected a JSON object from the server, got {type(value).__name__}")
    return value


def given(**members: object) -> dict[str, Any]:
    """The members that are not None."""
    return {name: value for name, value in members.items() if value is not None}


def chunk_body(chunk: Mapping[str, Any]) -> dict[str, Any]:
    """A chunk to write, its embedding encoded."""
    body = dict(chunk)
    if body.get("embedding") is not None:
        body["embedding"] = encode_vector(body["embedding"])
    return body


def document_body(document: Mapping[str, Any]) -> dict[str, Any]:
    """A document to write, the embeddings of its chunks encoded."""
    body = dict(document)
    if body.get("chunks") is not None:
        body["chunks"] = [chunk_body(chunk) for chunk in body["chunks"]]
    return body


def search_body(search: Mapping[str, Any]) -> dict[str, Any]:
    """One search, its vector encoded.

    Raises:
        ValueError: not exactly one of vector and text, or both recall and exact.
    """
    body = given(**search)
    if ("vector" in body) == ("text" in body):
        raise ValueError("a search needs either vector= or text=")
    if "recall" in body and body.get("exact"):
        raise ValueError("recall= asks for a share of the best hits, exact=True for all: give one of them")
    if "vector" in body:
        body["vector"] = encode_vector(body["vector"])
    return with_vector_encoding(body)


def with_vector_encoding(body: Mapping[str, Any]) -> dict[str, Any]:
    """A body that asks for base64 where it asks for embeddings: shorter than numbers, and quicker to read."""
    if "include" not in body:
        return dict(body)
    include = list(body["include"])
    encoding = {"vector_encoding": "b64"} if "embedding" in include else {}
    return {**body, "include": include, **encoding}


def batch_bodies(
    searches: Sequence[SearchInput] | None,
    vectors: Sequence[Vector] | NDArray[Any] | None,
    texts: Sequence[str] | None,
    common: Mapping[str, Any],
) -> list[dict[str, Any]]:
    """The searches of a batch from one of three forms; `common` options hold where a search says nothing.

    Raises:
        ValueError: none or several of the three forms are given.
    """
    if sum(form is not None for form in (searches, vectors, texts)) != 1:
        raise ValueError("a batch needs exactly one of searches=, vectors= and texts=")
    queries: list[Mapping[str, Any]]
    if searches is not None:
        queries = [*searches]
    elif vectors is not None:
        queries = [{"vector": vector} for vector in encode_vectors(vectors)]
    else:
        queries = [{"text": text} for text in texts or ()]
    return [search_body({**common, **query}) for query in queries]


def operation_body(operation: Mapping[str, Any]) -> dict[str, Any]:
    """One operation of an atomic batch, `{"put": chunk}` or `{"delete": {"id": ...}}`."""
    if "put" in operation:
        return {**operation, "put": chunk_body(operation["put"])}
    return dict(operation)


def rfc3339(moment: datetime) -> str:
    """A date-time as the API writes it, in UTC.

    Raises:
        TypeError: it has no time zone.
    """
    if moment.tzinfo is None:
        raise TypeError(f"{moment!r} has no time zone: say which, for example datetime(..., tzinfo=UTC)")
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, date):
        raise TypeError(f"{value!r} is a date without a time: use a datetime with a time zone")
    if isinstance(value, Filter):
        return value.to_json()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (Sequence, set, frozenset)):
        return list(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
