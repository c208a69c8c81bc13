"""Bad inputs 25 to 56: what is wrong with a body, a name, a parameter or a condition."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import orjson

from reliability.bad_inputs.world import CANARY, MINE, THEIRS, AtOnce, Case, Input, World
from reliability.raw_http import Reply

_SEARCH = f"{MINE}/search"
_CHUNKS = f"{MINE}/documents/guide/chunks"
_VECTOR = {"vector": [1, 2, 2]}
_CHUNK = {"text": "t", "embedding": [1, 2, 3]}
_BODY_BYTES_MAX = 32 * 1024 * 1024


def _search(world: World, name: str, body: bytes | dict[str, Any], status: int = 422, code: str | None = None) -> Case:
    sent = body if isinstance(body, bytes) else orjson.dumps({**_VECTOR, **body})
    expected = code or {422: "validation", 400: "malformed-json"}.get(status)
    return Case(name, world.request("POST", _SEARCH, body=sent), status, expected)


def _searches(world: World, bodies: Iterable[bytes | dict[str, Any]], status: int = 422) -> Iterator[Case]:
    for body in bodies:
        yield _search(world, str(body)[:60], body, status)


def media_types(world: World) -> Iterator[Case]:
    """25"""
    body = orjson.dumps(_VECTOR)
    for kind in ("text/plain", "application/xml", "multipart/form-data", "-"):
        sent = world.request("POST", _SEARCH, body=body, headers={"Content-Type": kind})
        yield Case(kind, sent, 415, "unsupported-media-type")


def broken_json(world: World) -> Iterator[Case]:
    """26, 27, 28, 33"""
    bodies = [b"", b'{"text":"a","emb', b'{"text":"\xff"}', '{"k":1}'.encode("utf-16"), b'\xef\xbb\xbf{"k":1}']
    bodies += [
        b'{"vector":[NaN,1,2]}',
        b'{"vector":[1,2,3],"filter":{"page":-Infinity}}',
        b'{"k":1,"k":2}',
        b"{'k':1}",
        b"{}{}",
    ]
    yield from _searches(world, bodies, 400)
    literal = b'{"text":"t","embedding":[1,2,3],"metadata":{"attributes":{"n":NaN}}}'
    yield Case("NaN in metadata", world.request("POST", _CHUNKS, body=literal), 400, "malformed-json")


def numbers(world: World) -> Iterator[Case]:
    """29, 30, 32, 43, 44, 45"""
    parts = (b"1e999", b"1e39", b'"nan"', b'"1.5"', b"true", b"null", b"[1]", b"9" * 5000)
    yield from _searches(world, [b'{"vector":[1,2,' + part + b"]}" for part in parts])
    vectors: list[Any] = [[1, 2], [], [1, 2, 3, 4], [0, 0, 0], "AAAA", {}, None]
    vectors += [{"b64": b64, "dtype": "f32"} for b64 in ("AADAfwAAgD8AAIA/", "AAAA", "?", "", "AACAPwAAgD8AAIA")]
    vectors += [{"b64": "AACAPwAAgD8AAIA/", "dtype": "f64"}, {"b64": "AACAPwAAgD8AAIA/"}]
    yield from _searches(world, [{"vector": vector} for vector in vectors])
    yield from _searches(world, [b'{"vector":[1,2,2],"k":' + b"9" * 5000 + b"}"])


def depths(world: World) -> Iterator[Case]:
    """31"""
    yield from _searches(world, [b"[" * depth + b"]" * depth for depth in (100_000, 900, 33)], 400)
    nested = b'{"vector":[1,2,2],"filter":' + b'{"and":[' * 20 + b"{}" + b"]}" * 20 + b"}"
    yield _search(world, "a filter of 20 levels", nested, 400)


def surrogates(world: World) -> Iterator[Case]:
    """34"""
    chunk = b'{"text":"\\ud800","embedding":[1,2,3]}'
    yield Case("in a text", world.request("POST", _CHUNKS, body=chunk), 422, "validation")
    key = b'{"text":"t","embedding":[1,2,3],"metadata":{"attributes":{"\\udfff":1}}}'
    yield Case("in a name", world.request("POST", _CHUNKS, body=key), 422, "validation")
    library = b'{"id":"a\\ud800","dimension":3}'
    yield Case("in an id", world.request("POST", "/v1/libraries", "server", body=library), 422, "validation")


def shapes(world: World) -> Iterator[Case]:
    """35, 36, 37"""
    unknown: list[dict[str, Any]] = [
        {"__proto__": {}},
        {"trust_remote_code": True},
        {"extra": CANARY},
        {"constructor": 1},
    ]
    yield from _searches(world, unknown)
    yield from _searches(world, [b"[]", b'"x"', b"3", b"null", b"true"])
    yield _search(world, "32 MiB of one string", b'"' + b"a" * (_BODY_BYTES_MAX - 2) + b'"')


def names(world: World) -> Iterator[Case]:
    """38, 39, 41"""
    wrong = [
        "../../etc/x",
        "a/b",
        ".",
        "..",
        "",
        "a b",
        "C:\\x",
        "x" * 10_000,
        "a\0b",
        "a\r\nSet-Cookie: b",
        "\u202eb",
        "caf\u00e9",
        "cafe\u0301",
    ]
    for name in wrong:
        body = {"id": name, "dimension": 3}
        yield Case(repr(name)[:40], world.request("POST", "/v1/libraries", "server", json=body), 422, "validation")
    yield Case(
        "in the path",
        world.request("PUT", "/v1/libraries/a%0d%0ab", "server", json={"dimension": 3}),
        422,
        "validation",
        "PUT",
    )
    # A device's name elsewhere, and none of a file here: it is as good as any other.
    device = world.request("PUT", "/v1/libraries/CON", "server", json={"dimension": 3})
    yield Case("CON", device, 201, None, "PUT", check=lambda _: _made_file(world, "CON"))
    world.ask("DELETE", "/v1/libraries/CON", "server")


def _made_file(world: World, name: str) -> str | None:
    return "made a file of its name" if any(world.server.data.rglob(f"*{name}*")) else None


def identifiers(world: World) -> Iterator[Case]:
    """40"""
    for name in ("%2e%2e%2f", "1e3", "1" + "0" * 23, "not-a-uuid", "%00", "%ff%fe", "..%2f..%2fetc%2fpasswd"):
        yield Case(f"document {name}", world.request("GET", f"{MINE}/documents/{name}"), 404, "not-found", "GET")
        yield Case(f"library {name}", world.request("GET", f"/v1/libraries/{name}", "server"), 404, "not-found", "GET")


def dimensions(world: World) -> Iterator[Case]:
    """42"""
    for dimension in (0, -1, 4097, 2**63, 1.5, "3", True, None):
        body = {"id": "new", "dimension": dimension}
        yield Case(str(dimension), world.request("POST", "/v1/libraries", "server", json=body), 422, "validation")


def search_parameters(world: World) -> Iterator[Case]:
    """46, 48"""
    yield from _searches(world, [{"k": k} for k in (0, -1, 1.5, "5", 1001, 2**63, None, True)])
    yield from _searches(world, [{"ef": 10**9}, {"nprobe": 10**9}, {"recall": 2}, {"recall": -1}, {"offset": 10**12}])


def cursors(world: World) -> Iterator[Case]:
    """47"""
    foreign = world.ask("GET", f"{THEIRS}/documents/guide/chunks?limit=1", "server")
    stolen = orjson.loads(foreign.body)["next_cursor"]
    for cursor in (stolen, stolen[:-2] + "AA", CANARY, "a" * 4000, "=="):
        path = f"{_CHUNKS}?cursor={cursor}"
        yield Case(cursor[:20], world.request("GET", path), 422, "validation", "GET")
    for query in ("offset=1000000000000", "limit=0", "limit=1001", "limit=x", "limit=1&limit=2"):
        yield Case(query, world.request("GET", f"{_CHUNKS}?{query}"), 422, "validation", "GET")


def filters(world: World) -> Iterator[Case]:
    """49, 50, 51"""
    deep: dict[str, Any] = {"page": 1}
    for _ in range(9):
        deep = {"not": deep}
    wrong: list[dict[str, Any]] = [{"or": [{"page": 1}] * 10_000}, deep, {"page": {"in": list(range(100_000))}}]
    wrong += [
        {"page": {"$where": CANARY}},
        {"name": {"regex": "(a+)+$"}},
        {"$.page": 1},
        {"page": {"$gt": 1}},
        {"page": "x"},
    ]
    yield from _searches(world, [{"filter": one} for one in wrong])
    for text in ("x' or id != '' --", "${7*7}", "{{7*7}}", '"; DROP TABLE chunks; --'):
        yield Case(
            text,
            world.request("POST", _SEARCH, json={**_VECTOR, "filter": {"text": text}}),
            200,
            None,
            check=lambda reply: None if orjson.loads(reply.body)["hits"] == [] else "hits",
        )


def metadata(world: World) -> Iterator[Case]:
    """52"""
    attributes: list[dict[str, Any]] = [
        {f"k{number}": number for number in range(65)},
        {f"k{number}": "x" * 4000 for number in range(5)},
        {"k" * 200: 1},
        {"nested": {"a": {"b": {"c": 1}}}},
        {"list": [["a"]]},
    ]
    for one in attributes:
        body = {**_CHUNK, "metadata": {"attributes": one}}
        yield Case(str(one)[:40], world.request("POST", _CHUNKS, json=body), 422, "validation")


def batches(world: World) -> Iterator[Case]:
    """53, 54"""
    put = {"put": {"id": "n", "document_id": "guide", **_CHUNK}}
    good = [{"put": {**put["put"], "id": f"n{number}"}} for number in range(1000)]
    bad = [*good[:617], {"put": {**good[617]["put"], "embedding": [1, 2]}}, *good[618:]]
    for name, operations in (("one bad of 1,000", bad), ("the same twice", [put, put]), ("none", [])):
        yield Case(
            name, world.request("POST", f"{MINE}/chunks/batch", json={"operations": operations}), 422, "validation"
        )
    crowd = world.request("POST", f"{MINE}/chunks/batch", body=b'{"operations":[' + b"{}," * 199_999 + b"{}]}")
    yield Case("200,000 bad", crowd, 422, "validation")


def idempotency(world: World) -> Iterator[Input]:
    """55"""
    document = {"id": "once", "metadata": {"title": "once"}}
    path, key = f"{MINE}/documents", {"Idempotency-Key": f"row-55-{CANARY}"}
    first = world.request("POST", path, json=document, headers=key)
    yield Case("the first", first, 201, None)
    yield Case(
        "again",
        first,
        201,
        None,
        check=lambda reply: None if "idempotency-replayed" in reply.headers else "not replayed",
    )
    other = world.request("POST", path, json={**document, "id": "twice"}, headers=key)
    yield Case("with another body", other, 422, "idempotency-key-reused")
    long = world.request("POST", path, json=document, headers={"Idempotency-Key": "x" * 300})
    yield Case("of 300 characters", long, 422, "validation")
    world.ask("DELETE", f"{path}/once")
    yield from _at_once(world, path)


def _at_once(world: World, path: str) -> Iterator[Input]:
    """The server makes the id, so that each document made is another one."""
    made: set[str] = set()

    def one_is_made(replies: Sequence[Reply]) -> str | None:
        told = {orjson.loads(reply.body)["id"] for reply in replies if reply.status == 201}
        made.update(told)
        replayed = sum("idempotency-replayed" in reply.headers for reply in replies)
        statuses = Counter(reply.status for reply in replies)
        is_right = statuses == {201: len(replies)} and len(told) == 1 and replayed >= len(replies) - 1
        return None if is_right else f"made {len(told)} documents, {replayed} replayed, answered {dict(statuses)}"

    def one_is_refused(replies: Sequence[Reply]) -> str | None:
        made.update(orjson.loads(reply.body)["id"] for reply in replies if reply.status == 201)
        answers = sorted((reply.status, reply.code) for reply in replies)
        return None if answers == [(201, None), (422, "idempotency-key-reused")] else f"answered {answers}"

    same, others = ({"Idempotency-Key": f"row-55-{what}-{CANARY}"} for what in ("same", "others"))
    body = {"metadata": {"title": "one"}}
    yield AtOnce("eight at once", [world.request("POST", path, json=body, headers=same)] * 8, one_is_made)
    bodies = [body, {"metadata": {"title": "other"}}]
    sent = [world.request("POST", path, json=one, headers=others) for one in bodies]
    yield AtOnce("two bodies at once", sent, one_is_refused)
    for name in made:
        world.ask("DELETE", f"{path}/{name}")


def conditions(world: World) -> Iterator[Case]:
    """56"""
    for tag, status, code in (
        ('"999"', 412, "precondition-failed"),
        ("999", 400, "bad-request"),
        ('"', 400, "bad-request"),
        (CANARY, 400, "bad-request"),
    ):
        sent = world.request("PUT", f"{MINE}/documents/guide", json={}, headers={"If-Match": tag})
        yield Case(tag, sent, status, code, "PUT")


BODY_ROWS = {
    25: media_types,
    26: broken_json,
    29: numbers,
    31: depths,
    34: surrogates,
    35: shapes,
    38: names,
    40: identifiers,
    42: dimensions,
    46: search_parameters,
    47: cursors,
    49: filters,
    52: metadata,
    53: batches,
    55: idempotency,
    56: conditions,
}
"""By the number of the first row; a function's docstring lists all of its rows."""
