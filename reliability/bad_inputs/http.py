"""Bad inputs 1 to 14 and 24: what is wrong before there is a body to read."""

from __future__ import annotations

import time
from collections.abc import Iterator

from reliability.bad_inputs.world import CANARY, MINE, Case, World
from reliability.raw_http import Reply

_SEARCH = f"{MINE}/search"
_BODY = b'{"vector":[1,2,2],"k":1}'
_GROWTH_MAX = 40 * 1024 * 1024
_BODY_MAX = 32 * 1024 * 1024


def not_http(world: World) -> Iterator[Case]:
    """1"""
    yield Case("a first line that is none", f"GARBAGE{CANARY}\r\n\r\n".encode(), 400, "bad-request", "GET")
    yield Case(
        "TLS on a plain port", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 50, 400, "bad-request", "GET"
    )


def no_host(world: World) -> Iterator[Case]:
    """2"""
    yield Case("no Host", world.request("GET", "/v1/limits", host=None), 400, "bad-request", "GET")
    twice = world.request("GET", "/v1/limits", headers={"host": "other"})
    yield Case("two Hosts", twice, 400, "bad-request", "GET")


def false_host(world: World) -> Iterator[Case]:
    """3"""
    for host in ("x/docs?", f"{CANARY}.example", "127.0.0.1@evil", "localhost:port", ""):
        sent = world.request("GET", "/v1/libraries", None, host=host)
        yield Case(f"Host {host!r}", sent, 400, "bad-request", "GET")


def spelled_paths(world: World) -> Iterator[Case]:
    """4"""
    paths = (
        "/livez%2f..%2fv1%2flibraries",
        "/console%2f..%2fv1%2flibraries",
        "//v1/libraries",
        "/livez/../v1/libraries",
        "/livez;/../v1/libraries",
        "/livez%5c..%5cv1%5clibraries",
        "/livez%252e%252e/v1/libraries",
        "http://127.0.0.1/v1/libraries",
    )
    for path in paths:
        yield Case(path, world.request("GET", path, None), 401, "unauthenticated", "GET")


def two_lengths(world: World) -> Iterator[Case]:
    """5 and 6"""
    chunked = b"5\r\nhello\r\n0\r\n\r\n"
    both = world.request("POST", _SEARCH, headers={"Transfer-Encoding": "chunked", "Content-Length": "5"})
    yield Case("Content-Length and Transfer-Encoding", both + chunked, 400, "bad-request")
    for first, second in (("5", "6"), ("-1", None), ("+5", None), ("0x5", None), ("5 5", None)):
        headers = {"Content-Length": first, **({} if second is None else {"content-length": second})}
        yield Case(
            f"Content-Length {first} {second}",
            world.request("POST", _SEARCH, headers=headers) + b"hello",
            400,
            "bad-request",
        )
    odd = world.request("POST", _SEARCH, headers={"Transfer-Encoding": "xchunked"})
    yield Case("Transfer-Encoding xchunked", odd + chunked, 400, "bad-request")


def bad_chunk(world: World) -> Iterator[Case]:
    """7"""
    head = world.request("POST", _SEARCH, headers={"Transfer-Encoding": "chunked", "Content-Type": "application/json"})
    yield Case("a chunk that goes on", head + b"5\r\nhelloX\r\n0\r\n\r\n", 400, "bad-request")
    yield Case("a chunk size that is none", head + b"zz\r\nhello\r\n0\r\n\r\n", 400, "bad-request")


def long_address(world: World) -> Iterator[Case]:
    """8"""
    yield Case(
        "70 kB", world.request("GET", f"/v1/libraries?cursor={CANARY}" + "x" * 70_000), 414, "uri-too-long", "GET"
    )
    yield Case("8,193 bytes", world.request("GET", "/" + "x" * 8192), 414, "uri-too-long", "GET")


def large_heads(world: World) -> Iterator[Case]:
    """9"""
    one = world.request("GET", "/v1/limits", headers={"x-long": CANARY + "x" * 70_000})
    yield Case("one header of 70 kB", one, 431, "headers-too-large", "GET")
    endless = (part for part in (world.request("GET", "/v1/limits")[:-2], b"x-long: ", *[b"x" * 1000] * 100))
    yield Case("a header without end", endless, 431, "headers-too-large", "GET")
    many = world.request("GET", "/v1/limits", headers={f"x-{number}": CANARY for number in range(500)})
    yield Case("500 headers", many, 431, "headers-too-large", "GET")


def other_methods(world: World) -> Iterator[Case]:
    """10"""

    def allows(reply: Reply) -> str | None:
        return None if reply.headers.get("allow") else "no Allow"

    for method in ("TRACE", "FOO", "PROPFIND", "OPTIONS"):
        yield Case(method, world.request(method, _SEARCH), 405, "method-not-allowed", method, check=allows)


def slow_head(world: World) -> Iterator[Case]:
    """11"""
    never = world.request("GET", "/v1/limits")[:-2]
    yield Case("never finished", never, 408, "request-timeout", "GET", seconds=12.0)
    yield Case("never begun", b"", 408, "request-timeout", "GET", seconds=12.0)


def slow_body(world: World) -> Iterator[Case]:
    """12"""

    def drops() -> Iterator[bytes]:
        yield world.request("POST", _SEARCH, headers={"Content-Length": "1000", "Content-Type": "application/json"})
        while True:
            yield b"["
            time.sleep(1)

    yield Case("a byte a second", drops(), 408, "request-timeout", seconds=15.0)


def endless_bodies(world: World) -> Iterator[Case]:
    """13"""
    announced = world.request(
        "POST", _SEARCH, headers={"Content-Length": "10000000000", "Content-Type": "application/json"}
    )
    before = world.rss()

    def grew(reply: Reply) -> str | None:
        growth = world.rss() - before
        return None if growth < _GROWTH_MAX + _BODY_MAX else f"memory grew by {growth:,} bytes"

    def chunks() -> Iterator[bytes]:
        yield world.request(
            "POST", _SEARCH, headers={"Transfer-Encoding": "chunked", "Content-Type": "application/json"}
        )
        for _ in range(_BODY_MAX // 65_536 + 64):
            yield b"10000\r\n" + b" " * 65_536 + b"\r\n"

    yield Case("10 GB announced", announced, 413, "too-large", check=grew)
    yield Case("chunks without end", chunks(), 413, "too-large", seconds=10.0, check=grew)


def compressed(world: World) -> Iterator[Case]:
    """14"""
    for encoding in ("gzip", "deflate", "br", "identity, gzip"):
        sent = world.request("POST", _SEARCH, body=_BODY, headers={"Content-Encoding": encoding})
        yield Case(encoding, sent, 415, "unsupported-media-type")


def foreign_pages(world: World) -> Iterator[Case]:
    """24"""

    def grants(reply: Reply) -> str | None:
        return "grants access" if any(name.startswith("access-control") for name in reply.headers) else None

    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "PUT"}
    yield Case(
        "a preflight",
        world.request("OPTIONS", MINE, None, headers=asked),
        403,
        "origin-denied",
        "OPTIONS",
        check=grants,
    )
    posted = world.request("POST", _SEARCH, body=_BODY, headers={"Origin": "https://evil.example"})
    yield Case("a write", posted, 403, "origin-denied", check=grants)
    null = world.request("DELETE", MINE, "admin", headers={"Origin": "null"})
    yield Case("a page of no origin", null, 403, "origin-denied", "DELETE", check=grants)


HTTP_ROWS = {
    1: not_http,
    2: no_host,
    3: false_host,
    4: spelled_paths,
    5: two_lengths,
    7: bad_chunk,
    8: long_address,
    9: large_heads,
    10: other_methods,
    11: slow_head,
    12: slow_body,
    13: endless_bodies,
    14: compressed,
    24: foreign_pages,
}
"""By the number of the row; 5 is 6 too."""
