"""Requests that bring secrets to every operation of a server, rightly and in every wrong way."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from quiredb.api.application import describe
from reliability.siege.echoing_provider import DIMENSION, MODEL, PROVIDER

MINE, THEIRS, SPOKEN = "mine", "theirs", "spoken"
_PATH = f"/v1/libraries/{MINE}"
_KNOWN = {"library": MINE, "document": "d", "chunk": "c0"}
_NOWHERE = '"999999"'
"""A version that nothing has, so that what would remove a thing does not."""


@dataclass(frozen=True, slots=True)
class Told:
    """What is told to the server as text, embedding and so on; each is a secret of the library `mine`."""

    text: str
    embedding: list[float]
    metadata: str
    query: str
    query_vector: list[float]

    @classmethod
    def by(cls, chance: random.Random) -> Told:
        """Unique ones."""
        return cls(*(_words(chance), _vector(chance), _words(chance), _words(chance), _vector(chance)))


@dataclass(frozen=True, slots=True)
class Asked:
    """A request with the key of that name (None: without); a body of bytes is sent as it is."""

    method: str
    path: str
    body: Any = None
    key: str | None = MINE
    headers: Mapping[str, str] = field(default_factory=dict)


def _words(chance: random.Random) -> str:
    return f"canary{chance.randrange(16**12):012x} ßang"


def _vector(chance: random.Random) -> list[float]:
    # Few digits, so that the number looks the same as float32 and float64.
    return [chance.randrange(10_000, 99_999) + chance.choice([0.25, 0.75]) for _ in range(DIMENSION)]


def furnishing(told: Told) -> Iterator[Asked]:
    """What makes the libraries; all of it succeeds."""
    chunk = {"text": told.text, "embedding": told.embedding, "metadata": {"tags": [told.metadata]}}
    document = {"metadata": {"title": told.metadata}, "chunks": [{"id": "c0", **chunk}]}
    library = {"dimension": DIMENSION, "metric": "l2", "metadata": {"description": told.metadata}}
    harmless = {"chunks": [{"id": "t0", "text": "harmless", "embedding": [1, 2, 3, 4]}]}
    yield Asked("PUT", _PATH, library, "server")
    yield Asked("PUT", f"/v1/libraries/{THEIRS}", {"dimension": DIMENSION, "metric": "l2"}, "server")
    yield Asked("PUT", f"/v1/libraries/{SPOKEN}", {"embedder": {"provider": PROVIDER, "model": MODEL}}, "server")
    yield Asked("PUT", f"/v1/libraries/{THEIRS}/documents/d", harmless, THEIRS)
    yield Asked("PUT", f"{_PATH}/documents/d", document)
    yield Asked("PUT", f"{_PATH}/documents/d/chunks/c1", chunk)
    yield Asked("POST", f"{_PATH}/chunks/batch", {"operations": [{"put": {"id": "c2", "document_id": "d", **chunk}}]})
    yield Asked("POST", f"{_PATH}/import", json.dumps({"id": "i", "chunks": [{"id": "c3", **chunk}]}).encode())
    yield Asked("PATCH", f"{_PATH}/documents/d/chunks/c1", {"text": told.text})
    yield Asked("POST", f"{_PATH}/search", {"vector": told.query_vector, "filter": {"text": {"contains": told.query}}})
    yield Asked("POST", f"{_PATH}/recall", {"queries": [told.query_vector], "k": 1})
    yield Asked("POST", f"{_PATH}/chunks/scan", {"filter": {"tags": {"contains": told.metadata}}})
    yield Asked("POST", f"{_PATH}/chunks/delete", {"filter": {"text": {"contains": told.query}}, "dry_run": True})
    yield Asked("GET", f"{_PATH}/export")
    yield Asked("PUT", f"{_PATH}/documents/gone", document | {"chunks": []})
    yield Asked("DELETE", f"{_PATH}/documents/gone")


def failing(told: Told) -> Iterator[Asked]:
    """What meets a provider that refuses and a bug of the server (`api.unexpected_error`)."""
    spoken = f"/v1/libraries/{SPOKEN}"
    yield Asked("POST", f"{spoken}/search", {"text": told.query, "k": 1}, "server")
    yield Asked("PUT", f"{spoken}/documents/d", {"chunks": [{"id": "s", "text": told.text}]}, "server")
    yield Asked("POST", f"{spoken}/import", json.dumps({"id": "d", "chunks": [{"text": told.text}]}).encode(), "server")
    yield Asked("POST", f"{_PATH}/count", {"filter": {"text": {"contains": told.query}}})


def hostile(told: Told) -> Iterator[Asked]:
    """Every operation with bodies, queries and headers that it must refuse, and with every key but the right one."""
    for path, methods in json.loads(describe())["paths"].items():
        at = path.format(**_KNOWN, job="none", key="none")
        for method in sorted({"get", "put", "post", "patch", "delete"} & set(methods)):
            verb = method.upper()
            kept = {"if-match": _NOWHERE} if verb == "DELETE" else {}
            for key in (MINE, THEIRS, "revoked", "forged", None):
                yield Asked(verb, at, _all_wrong(told), key, kept)
            if verb in {"GET", "DELETE"}:
                yield Asked(verb, f"{at}?cursor={told.query[:18]}&limit={told.query[:18]}", None, MINE, kept)
            else:
                yield from (Asked(verb, at, body) for body in _broken(told))
            yield from (Asked(verb, at, _all_wrong(told), MINE, kept | one) for one in _headers(told))


def _all_wrong(told: Told) -> dict[str, Any]:
    """Everything that a body may hold, each of the wrong type."""
    names = ("id", "title", "text", "query", "metadata", "filter", "chunks", "operations", "searches", "k", "dimension")
    return {
        **dict.fromkeys(names, told.text),
        "vector": [*told.query_vector, told.query],
        "embedding": {"b64": told.text},
        "queries": [told.query_vector, [told.query]],
        "index": {"kind": told.query},
        "embedder": {"provider": told.query, "model": told.text},
    }


def _broken(told: Told) -> Iterator[bytes | dict[str, Any]]:
    yield json.dumps(_all_wrong(told), ensure_ascii=False)[:-1].encode()
    yield f'{{"text":"{told.text}","text":"{told.metadata}"}}'.encode()
    yield {"text": told.text, "embedding": told.embedding[:2], "metadata": {"page": told.metadata}}
    yield {"vector": told.query_vector[:3], "k": 1, "filter": {"page": {"gt": told.query}}}


def _headers(told: Told) -> Iterator[dict[str, str]]:
    secret = told.query[:18]
    yield {"idempotency-key": secret * 20}
    yield {"if-match": secret, "x-quire-min-position": secret, "x-request-id": f"<{secret}>"}
    yield {"content-type": secret, "content-encoding": secret, "origin": f"http://{secret}.example"}
