"""Large bodies that a server refuses: what the refusals cost it, and how much they say."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from reliability.raw_http import Reply, exchange, request
from reliability.servers import Server

ANSWER_BYTES_MAX = 16 * 1024
CPU_SECONDS_PER_BYTE_MAX = 1e-6
CPU_SECONDS_SPARE = 0.05
"""Of a refusal, whatever its size: ticks of the clock, and work that is due anyway."""
_TICKS = os.sysconf("SC_CLK_TCK")
_BODY_BYTES_MAX = 32 * 1024 * 1024
_JSON, _NDJSON = "application/json", "application/x-ndjson"
_REPORTED = range(200, 201)
"""An import says in its report what it refused."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A body that is refused, and where it is sent. `make(size)` is a body of about so many bytes."""

    name: str
    method: str
    path: str
    make: Callable[[int], bytes]
    media_type: str = _JSON
    has_key: bool = True
    statuses: range = range(400, 500)


def _repeated(before: bytes, element: bytes, after: bytes) -> Callable[[int], bytes]:
    def make(size: int) -> bytes:
        count = max((size - len(before) - len(after)) // (len(element) + 1), 2)
        return before + b",".join([element] * count) + after

    return make


def _long(before: bytes, after: bytes, letter: bytes = b"a") -> Callable[[int], bytes]:
    return lambda size: before + letter * (size - len(before) - len(after)) + after


def _lines(size: int) -> bytes:
    return b'{"id":1}\n' * (size // 9)


def _fields(size: int) -> bytes:
    return b"{" + b",".join(b'"f%08d":0' % number for number in range(size // 14)) + b"}"


LIBRARY = "/v1/libraries/door"
_SEARCH, _BATCH, _CHUNK = f"{LIBRARY}/search", f"{LIBRARY}/chunks/batch", f"{LIBRARY}/documents/d/chunks/new"
_IMPORT = f"{LIBRARY}/import"
_VECTOR, _END = b'{"k":1,"vector":[', b"]}"

BODIES = (
    *(
        Refused(f"elements {element.decode()}", "POST", _SEARCH, _repeated(_VECTOR, element, _END))
        for element in (b"null", b'"1.5"', b"NaN", b"1e999", b"[1]", b"{}", b"true", b"0.25", b"9" * 400)
    ),
    Refused("one string", "PUT", _CHUNK, _long(b'{"embedding":[1],"text":"', b'"}')),
    Refused("one string of escapes", "PUT", _CHUNK, _repeated(b'{"text":"', b"\\u0000\\ud800", b'"}')),
    Refused("one name of a field", "PUT", _CHUNK, _long(b'{"', b'":1}')),
    Refused("one number", "POST", _SEARCH, _long(_VECTOR, _END, b"1")),
    Refused("spaces", "POST", _SEARCH, _long(b"{", b"", b" ")),
    Refused("brackets", "POST", _SEARCH, _long(_VECTOR, b"", b"[")),
    Refused("bytes that are no UTF-8", "POST", _SEARCH, _long(b'{"text":"', b'"}', b"\xff")),
    Refused("unknown fields", "POST", _SEARCH, _fields),
    Refused("one field again and again", "POST", _SEARCH, _repeated(b"{", b'"k":1', b"}")),
    Refused("empty operations", "POST", _BATCH, _repeated(b'{"operations":[', b"{}", _END)),
    Refused("conditions", "POST", _SEARCH, _repeated(b'{"filter":{"or":[', b'{"page":1}', b']},"vector":[1]}')),
    Refused("unknown media type", "POST", _SEARCH, _long(b"", b""), media_type="text/plain"),
    Refused("more than a body may have", "POST", _SEARCH, lambda size: b"[" * (size + _BODY_BYTES_MAX)),
    Refused("without a key", "POST", _SEARCH, _repeated(_VECTOR, b"1", _END), has_key=False),
    Refused(
        "bad lines", "POST", _IMPORT, lambda size: b'{"id":1}\n' * (size // 9), media_type=_NDJSON, statuses=_REPORTED
    ),
    Refused("one endless line", "POST", _IMPORT, _long(b"", b""), media_type=_NDJSON, statuses=_REPORTED),
)


def cpu_seconds(process_id: int) -> float:
    """What a process has computed until now, in its own code and the kernel's."""
    fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def refuse_all(server: Server, key: str, size: int, counts: Counter[str]) -> Iterator[str]:
    """Send every body at about that size; what is wrong with the answers, or with what they cost."""
    total = 0.0
    for refused in BODIES:
        body = refused.make(size)
        headers = {"Content-Type": refused.media_type}
        sent = request(refused.method, refused.path, key=key if refused.has_key else None, body=body, headers=headers)
        before = cpu_seconds(server.process_id)
        reply = exchange(server.port, sent, method=refused.method)
        spent = cpu_seconds(server.process_id) - before
        total += spent
        counts["rejected bodies"] += 1
        counts["rejected bytes"] += len(body)
        counts["largest refusal, bytes"] = max(counts["largest refusal, bytes"], _length(reply))
        counts["slowest refusal, ms"] = max(counts["slowest refusal, ms"], round(1000 * reply.seconds))
        yield from (f"{len(body)} bytes, {refused.name}: {wrong}" for wrong in _judge(refused, reply, len(body), spent))
    counts["CPU of refusals, ms"] += round(1000 * total)


def _judge(refused: Refused, reply: Reply, size: int, spent: float) -> Iterator[str]:
    if reply.status not in refused.statuses:
        yield f"answered {reply.status} {reply.body[:100]!r}"
    if _length(reply) > ANSWER_BYTES_MAX:
        yield f"{_length(reply)} bytes of answer"
    if spent > size * CPU_SECONDS_PER_BYTE_MAX + CPU_SECONDS_SPARE:
        yield f"cost {spent:.2f} s of CPU"


def _length(reply: Reply) -> int:
    return len(reply.body) + sum(len(name) + len(value) + 4 for name, value in reply.headers.items())
