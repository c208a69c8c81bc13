"""Bad inputs 15 to 23, 59 and 60: who asks, and for what."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import orjson

from reliability.bad_inputs.world import CANARY, MINE, THEIRS, Case, World
from reliability.raw_http import Reply

_BODY = {"vector": [1, 2, 2], "k": 1}
_CHUNK = {"id": "n", "document_id": "guide", "text": CANARY, "embedding": [1, 2, 3]}
_LOGINS_A_MINUTE = 10


def _challenges(reply: Reply) -> str | None:
    if reply.headers.get("www-authenticate") != "Bearer":
        return "no challenge"
    told = {name for name in orjson.loads(reply.body) if name not in {"instance", "request_id"}}
    return None if told == {"type", "title", "status", "detail", "code", "retryable"} else f"tells {told}"


def no_key(world: World) -> Iterator[Case]:
    """15"""
    for method, path in (("GET", "/v1/libraries"), ("POST", f"{MINE}/search"), ("DELETE", MINE), ("GET", "/nowhere")):
        yield Case(
            f"{method} {path}",
            world.request(method, path, None, json=_BODY),
            401,
            "unauthenticated",
            method,
            check=_challenges,
        )
    announced = {"Content-Length": "1000000", "Content-Type": "application/json"}
    early = world.request("POST", f"{MINE}/search", None, headers=announced)
    yield Case("refused before the body comes", early, 401, "unauthenticated", check=_challenges)


def false_keys(world: World) -> Iterator[Case]:
    """16"""
    server = world.keys["server"]
    keys = {name: world.keys[name] for name in ("forged", "revoked", "expired")}
    keys |= {
        "right id": server.rpartition("_")[0] + "_" + "0" * 64,
        "canary": f"quire_{CANARY}_{'0' * 64}",
        "digest": "0" * 64,
    }
    for name, key in keys.items():
        sent = world.request("GET", "/v1/libraries", None, headers={"Authorization": f"Bearer {key}"})
        yield Case(name, sent, 401, "unauthenticated", "GET", sender="127.0.0.16", check=_challenges)


def key_in_address(world: World) -> Iterator[Case]:
    """17"""
    for name in ("api_key", "key", "access_token"):
        path = f"/v1/libraries?{name}={world.keys['server']}"
        yield Case(name, world.request("GET", path, None), 401, "unauthenticated", "GET", check=_challenges)


def reader_writes(world: World) -> Iterator[Case]:
    """18"""
    for method, path in (
        ("POST", f"{MINE}/documents"),
        ("PUT", f"{MINE}/documents/guide"),
        ("DELETE", f"{MINE}/documents/guide"),
        ("POST", f"{MINE}/chunks/batch"),
        ("POST", f"{MINE}/chunks/delete"),
        ("POST", f"{MINE}/import"),
    ):
        yield Case(f"{method} {path}", world.request(method, path, "read", json={}), 403, "forbidden", method)
    announced = {"Content-Length": "1000000", "Content-Type": "application/json"}
    early = world.request("POST", f"{MINE}/documents", "read", headers=announced)
    yield Case("refused before the body comes", early, 403, "forbidden")


def writer_administers(world: World) -> Iterator[Case]:
    """19"""
    for key, method, path in (
        ("write", "POST", "/v1/keys"),
        ("write", "GET", "/v1/keys"),
        ("write", "DELETE", MINE),
        ("write", "PATCH", MINE),
        ("write", "PUT", f"{MINE}/index"),
        ("write", "POST", "/v1/libraries"),
        ("write", "GET", "/metrics"),
        ("write", "POST", "/v1/backup"),
        ("admin", "POST", "/v1/backup"),
        ("admin", "PUT", MINE),
        ("admin", "POST", "/v1/keys"),
        ("admin", "DELETE", "/v1/keys/any"),
    ):
        sent = world.request(method, path, key, json={"name": CANARY})
        yield Case(f"{key}: {method} {path}", sent, 403, "forbidden", method)


def foreign_library(world: World) -> Iterator[Case]:
    """20"""
    missing = world.ask("GET", "/v1/libraries/absent", "admin")

    def alike(reply: Reply) -> str | None:
        there, absent = (orjson.loads(one.body) for one in (reply, missing))
        same = there["detail"] == absent["detail"].replace("absent", "theirs")
        return None if same and there.keys() == absent.keys() else f"{there['detail']} {absent['detail']}"

    for method, path in (
        ("GET", THEIRS),
        ("GET", f"{THEIRS}/export"),
        ("GET", f"{THEIRS}/documents/guide"),
        ("POST", f"{THEIRS}/search"),
        ("DELETE", THEIRS),
        ("PUT", f"{THEIRS}/documents/guide"),
        ("POST", f"{THEIRS}/chunks/batch"),
    ):
        sent = world.request(method, path, "admin", json=_BODY)
        yield Case(f"{method} {path}", sent, 404, "not-found", method, check=alike)


def foreign_document(world: World) -> Iterator[Case]:
    """21"""
    put = {**_CHUNK, "id": "m", "document_id": "only-theirs"}
    batch = world.request("POST", f"{MINE}/chunks/batch", json={"operations": [{"put": _CHUNK}, {"put": put}]})
    yield Case("one of a batch", batch, 404, "not-found")
    created = world.request("POST", f"{MINE}/documents/only-theirs/chunks", json={"text": "t", "embedding": [1, 2, 3]})
    yield Case("in the path", created, 404, "not-found")


def words_of_trust(world: World) -> Iterator[Case]:
    """22"""
    trusted = {"X-Forwarded-User": "admin", "sourceID": "root", "X-Library": "theirs", "X-Forwarded-For": "127.0.0.2"}
    for key, path, status, code in (
        (None, "/v1/libraries", 401, "unauthenticated"),
        ("read", f"{THEIRS}/export", 404, "not-found"),
        ("read", "/v1/keys", 403, "forbidden"),
    ):
        sent = world.request(
            "GET", path, key, headers={**trusted, "X-Original-URL": "/livez", "X-Rewrite-URL": "/livez"}
        )
        yield Case(f"{key}: {path}", sent, status, code, "GET")


def many_failed_logins(world: World) -> Iterator[Case]:
    """23"""
    wrong = world.request("GET", "/v1/limits", "forged")
    for _ in range(_LOGINS_A_MINUTE):
        world.send(wrong, sender="127.0.0.23")

    def says_when(reply: Reply) -> str | None:
        return None if int(reply.headers.get("retry-after", "0")) >= 1 else "no Retry-After"

    yield Case("the 11th", wrong, 429, "rate-limited", "GET", sender="127.0.0.23", check=says_when)
    yield Case("from elsewhere", wrong, 401, "unauthenticated", "GET", sender="127.0.0.24")
    yield Case("with a right key", world.request("GET", "/v1/limits"), 200, None, "GET", sender="127.0.0.23")


def provider_address(world: World) -> Iterator[Case]:
    """59"""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        port = listener.getsockname()[1]
        addresses = ("169.254.169.254", "[::ffff:127.0.0.1]", "2130706433", f"127.0.0.1:{port}", f"localhost:{port}")
        for url in (*(f"http://{address}/" for address in addresses), "file:///etc/passwd"):
            for member, code in (("url", "validation"), ("provider", "embedder-not-configured")):
                embedder = {"provider": "openai", "model": "m", member: url}
                sent = world.request("PUT", "/v1/libraries/new", "server", json={"dimension": 3, "embedder": embedder})
                yield Case(f"{member} {url}", sent, 422, code, "PUT", check=lambda _: _connected(listener))


def _connected(listener: socket.socket) -> str | None:
    try:
        listener.accept()[0].close()
    except BlockingIOError:
        return None
    return "makes the server connect"


def side_doors(world: World) -> Iterator[Case]:
    """60"""
    for path in ("/metrics", "/docs", "/redoc", "/openapi.json", "/debug", "/expr", "/v1", "/", "/console"):
        yield Case(path, world.request("GET", path, None), 401, "unauthenticated", "GET", check=_challenges)


ACCESS_ROWS = {
    15: no_key,
    16: false_keys,
    17: key_in_address,
    18: reader_writes,
    19: writer_administers,
    20: foreign_library,
    21: foreign_document,
    22: words_of_trust,
    23: many_failed_logins,
    59: provider_address,
    60: side_doors,
}
"""By the number of the row."""
