"""Lines of NDJSON: read from files and streams, made from items, gathered into batches by size."""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any
from zlib import crc32

import orjson

from .identifiers import uuid7
from .models import Chunk, Document
from .wire import chunk_body, document_body, encode, given


@dataclass(frozen=True, slots=True)
class Line:
    """One item of a bulk write and how it is sent; items of one `owner` (a document) keep their order."""

    index: int
    item: Any
    body: bytes
    owner: str
    documents: int = 0
    chunks: int = 0


@dataclass(frozen=True, slots=True)
class Batch:
    """Lines sent in one request."""

    lane: int
    lines: list[Line]


class Batcher:
    """Gathers lines into batches of at most `batch_bytes`, one growing batch per lane.

    All lines of one document go to one lane, and a lane sends one batch at a time: chunks arrive in order.
    """

    def __init__(self, *, lanes: int, batch_bytes: int) -> None:
        if lanes < 1 or batch_bytes < 1:
            raise ValueError("concurrency and batch_bytes are at least 1")
        self._batch_bytes = batch_bytes
        self._growing: list[list[Line]] = [[] for _ in range(lanes)]
        self._sizes = [0] * lanes

    def add(self, line: Line) -> Batch | None:
        """Take a line; when it does not fit its lane's batch any more, return that batch."""
        lane = crc32(line.owner.encode()) % len(self._growing)
        full = None
        if self._growing[lane] and self._sizes[lane] + len(line.body) > self._batch_bytes:
            full = Batch(lane, self._growing[lane])
            self._growing[lane], self._sizes[lane] = [], 0
        self._growing[lane].append(line)
        self._sizes[lane] += len(line.body)
        return full

    def rest(self) -> Iterator[Batch]:
        """The batches that are not full."""
        for lane, lines in enumerate(self._growing):
            if lines:
                yield Batch(lane, lines)


class LineSplitter:
    """Cuts a stream of bytes at line feeds only: other separators may stand inside JSON strings."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that `data` completes, without their line feed."""
        *complete, last = data.split(b"\n")
        if complete:
            complete[0] = b"".join([*self._pieces, complete[0]])
            self._pieces = []
        self._pieces.append(last)
        return [line for line in complete if line.strip()]

    def rest(self) -> list[bytes]:
        """The last line, when it did not end with a line feed."""
        line = b"".join(self._pieces)
        return [line] if line.strip() else []


def line_of(index: int, item: object) -> Line | None:
    """The line of a document, a chunk or a ready-made line of JSON; None for a blank one.

    Missing ids are made here, so that sending a line twice writes one document or chunk. A line that is not a
    JSON object is sent as it is, for the server to refuse.

    Raises:
        TypeError: the item is neither.
    """
    if isinstance(item, (str, bytes)):
        raw = item.encode() if isinstance(item, str) else item
        if not raw.strip():
            return None
        try:
            parsed = orjson.loads(raw)
        except orjson.JSONDecodeError:
            parsed = None
        if not isinstance(parsed, dict):
            return Line(index, item, raw.strip().replace(b"\n", b" ") + b"\n", owner="")
        return _line_of_mapping(index, item, parsed)
    if isinstance(item, Chunk):
        return _line_of_mapping(index, item, _chunk_input(item))
    if isinstance(item, Document):
        return _line_of_mapping(index, item, {"id": item.id, "metadata": item.metadata})
    if isinstance(item, Mapping):
        return _line_of_mapping(index, item, item)
    raise TypeError(f"item {index}: a document or chunk is a dict or a line of JSON, not {type(item).__name__}")


def read_lines(path: str | PathLike[str]) -> Iterator[bytes]:
    """The lines of a file, unpacked when its name ends with `.gz`."""
    with gzip.open(path, "rb") if str(path).endswith(".gz") else Path(path).open("rb") as file:
        yield from file


def _line_of_mapping(index: int, item: object, mapping: Mapping[str, Any]) -> Line:
    if "document_id" in mapping:
        body = chunk_body(_with_id(mapping))
        return Line(index, item, encode(body) + b"\n", owner=str(body["document_id"]), chunks=1)
    body = document_body(_with_id(mapping))
    if body.get("chunks") is not None:
        body["chunks"] = [_with_id(chunk) for chunk in body["chunks"]]
    chunks = len(body.get("chunks") or ())
    return Line(index, item, encode(body) + b"\n", owner=str(body["id"]), documents=1, chunks=chunks)


def _with_id(mapping: Mapping[str, Any]) -> dict[str, Any]:
    return dict(mapping) if mapping.get("id") is not None else {**mapping, "id": uuid7()}


def _chunk_input(chunk: Chunk) -> dict[str, Any]:
    return given(
        id=chunk.id,
        document_id=chunk.document_id,
        text=chunk.text,
        embedding=chunk.embedding,
        metadata=chunk.metadata,
    )
