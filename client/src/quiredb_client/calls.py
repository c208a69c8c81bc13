"""A request before it is sent: built once, sent as often as it needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias
from urllib.parse import quote

from .identifiers import uuid7
from .wire import encode

Parameters: TypeAlias = Mapping[str, str | int | Sequence[str] | None]
Version: TypeAlias = int | str

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
NDJSON = "application/x-ndjson"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request.

    `library` is whose position it reads or moves; `writes` says which of the two. `stream` leaves the
    answer's body unread. The headers hold what must stay the same when the call is sent again.
    """

    method: str
    path: str
    parameters: Mapping[str, str | int | Sequence[str]] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    library: str | None = None
    writes: bool = False
    stream: bool = False


def read(
    method: Literal["GET", "POST"],
    *path: str,
    library: str | None = None,
    parameters: Parameters | None = None,
    body: object = None,
    stream: bool = False,
) -> Call:
    """A call that changes nothing; a POST where the question does not fit an address."""
    return Call(
        method=method,
        path=_path(path),
        parameters=_parameters(parameters),
        headers={} if body is None else {"content-type": JSON},
        body=None if body is None else encode(body),
        library=library,
        stream=stream,
    )


def write(
    method: Literal["POST", "PUT", "PATCH", "DELETE"],
    *path: str,
    library: str | None = None,
    parameters: Parameters | None = None,
    body: object = None,
    if_match: Version | None = None,
    if_none_match: Literal["*"] | None = None,
) -> Call:
    """A call that changes something. Bytes are sent as NDJSON, anything else as JSON.

    Every POST carries an idempotency key of its own, so that sending the call again cannot do the work twice.
    """
    headers: dict[str, str] = {}
    if body is not None:
        headers["content-type"] = _content_type(method, body)
    if method == "POST":
        headers["idempotency-key"] = uuid7()
    if if_match is not None:
        headers["if-match"] = _entity_tag(if_match)
    if if_none_match is not None:
        headers["if-none-match"] = if_none_match
    return Call(
        method=method,
        path=_path(path),
        parameters=_parameters(parameters),
        headers=headers,
        body=body if body is None or isinstance(body, bytes) else encode(body),
        library=library,
        writes=True,
    )


def _content_type(method: str, body: object) -> str:
    if isinstance(body, bytes):
        return NDJSON
    return MERGE_PATCH if method == "PATCH" else JSON


def _path(parts: Sequence[str]) -> str:
    return "/" + "/".join(_path_part(part) for part in parts)


def _path_part(part: str) -> str:
    """One part of a path, percent-encoded.

    Raises:
        ValueError: an id that would name another resource once the address is normalised.
    """
    if part in ("", ".", ".."):
        raise ValueError(f"{part!r} cannot be an id")
    return quote(part, safe="")


def _parameters(parameters: Parameters | None) -> dict[str, str | int | Sequence[str]]:
    return {name: value for name, value in (parameters or {}).items() if value is not None}


def _entity_tag(version: Version) -> str:
    """The strong entity tag of a version; a ready-made tag or `*` stays as it is."""
    if isinstance(version, str) and (version == "*" or version.startswith('"')):
        return version
    return f'"{version}"'
