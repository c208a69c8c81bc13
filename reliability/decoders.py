"""Everything that turns strangers' bytes into values, as functions that a fuzzer calls: `DECODERS[name](raw)`.

A decoder may refuse by an error of the domain. Another exception is a bug; so is a value that the standard library
would not have read (`Disagreement`).
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NoReturn

import numpy as np

from quiredb.api.bodies import build_body
from quiredb.api.cursors import CursorSigner
from quiredb.api.schemas.chunks import BatchBody
from quiredb.api.schemas.documents import DocumentBody
from quiredb.api.schemas.libraries import LibraryBody
from quiredb.api.schemas.search import SearchBatchBody
from quiredb.api.schemas.transfer import import_item
from quiredb.api.strict_json import decode, decode_object
from quiredb.domain.errors import QuireError
from quiredb.domain.filter_parsing import parse_filter
from quiredb.storage.backups.manifest import (
    Manifest,
    StoredFile,
    StoredLibrary,
    StoredSegment,
    decode_manifest,
    encode_manifest,
)
from quiredb.storage.backups.source import Block
from quiredb.storage.backups.stream import decode_parts, encode_part
from quiredb.storage.segment_file import open_segment, write_segment

Decoder = Callable[[bytes], object]

_SCRATCH = TemporaryDirectory(prefix="quire-fuzz-")
_SIGNER = CursorSigner(bytes(32))


_FILE = StoredFile(7, (sha256(b"content").hexdigest(),))
_LIBRARY = StoredLibrary("a", "0123456789abcdef", 1, "0" * 64, 1, 1, _FILE, (StoredSegment("1-2-3-ab", _FILE),))
_MANIFEST = Manifest("2026-01-31T12:00:00Z", "1.0", 1, _FILE, (_LIBRARY,))


class Disagreement(Exception):
    """A decoder and an independent one read the same bytes differently."""


def examine(decoder: Decoder, raw: bytes) -> bool:
    """Whether the decoder takes the bytes; what is neither taken nor refused by the domain's errors is raised."""
    try:
        decoder(raw)
    except QuireError:
        return False
    return True


def strict_json(raw: bytes) -> Any:
    """JSON, compared with the standard library's."""
    value = decode(raw)
    truth = json.loads(raw, object_pairs_hook=_without_repeats, parse_constant=_refuse)
    # As text, so that 1 is not True and NaN would equal itself.
    if repr(_as_floats(value)) != repr(_as_floats(truth)):
        raise Disagreement(f"{value!r} is not {truth!r}")
    return value


def filter_tree(raw: bytes) -> object:
    """A filter."""
    return parse_filter(decode_object(raw))


def import_line(raw: bytes) -> object:
    """A line of an import."""
    return import_item(1, raw)


def cursor(raw: bytes) -> object:
    """A cursor; nobody but its maker can write one."""
    place = _SIGNER.read("scope", raw.decode("latin-1"))
    raise Disagreement(f"a forged cursor was read as {place!r}")


def segment_file(raw: bytes) -> object:
    """A segment file, its arrays checked."""
    path = Path(_SCRATCH.name) / "segment"
    path.write_bytes(raw)
    file = open_segment(path)
    file.verify()
    return file.header


def segment_header(raw: bytes) -> object:
    """The header of a segment file whose checksum was made to fit it, as somebody who means harm would."""
    unchecked = struct.pack("<8sII", b"QUIRESEG", 1, len(raw))
    head = unchecked + struct.pack("<I", zlib.crc32(unchecked[:16] + raw)) + raw
    return segment_file(head.ljust(-(-len(head) // 64) * 64, b"\0") + bytes(256))


DECODERS: Mapping[str, Decoder] = {
    "json": strict_json,
    "search": lambda raw: build_body(SearchBatchBody, raw),
    "batch": lambda raw: build_body(BatchBody, raw),
    "document": lambda raw: build_body(DocumentBody, raw),
    "library": lambda raw: build_body(LibraryBody, raw),
    "filter": filter_tree,
    "import": import_line,
    "cursor": cursor,
    "segment": segment_file,
    "segment-header": segment_header,
    "manifest": decode_manifest,
    "backup-stream": lambda raw: list(decode_parts([raw])),
}

_SAMPLES: Mapping[str, tuple[bytes, ...]] = {
    "json": (
        b'{"a": [1, 2.5, -3e2, true, false, null, "\\u00e9\\ud83d\\ude00", {"b": []}]}',
        b'["\\"", "{", "}:"]',
        b"[true, 1, 1.0]",
    ),
    "search": (b'{"searches": [{"vector": [0.1, 2, -3e-1], "k": 3, "filter": {"page": {"gte": 1}}, "recall": 0.9}]}',),
    "batch": (
        b'{"operations": [{"put": {"id": "a", "document_id": "d", "text": "t", "embedding": [1, 2]}}]}',
        b'{"operations": [{"put": {"id": "a", "document_id": "d", "text": "t", "metadata": {"tags": ["x"]}}}]}',
        b'{"operations": [{"delete": {"id": "b", "if_version": 3}}]}',
    ),
    "document": (b'{"id": "d", "metadata": {"published_at": "2026-01-31T12:00:00Z"}, "chunks": [{"text": "t"}]}',),
    "library": (b'{"id": "l", "dimension": 3, "metric": "dot", "index": {"kind": "graph", "parameters": {}}}',),
    "filter": (b'{"and": [{"name": {"contains": "x"}}, {"not": {"attributes.year": {"between": [1, 2]}}}]}',),
    "import": (b'{"id": "c", "document_id": "d", "text": "t", "embedding": [1, 2]}', b'{"id": "d", "chunks": []}'),
    "segment-header": (
        b'{"header":{},"arrays":{"": {"dtype": "|u1", "shape": [256], "offset": 0, "bytes": 256, "crc": 227968344}}}',
    ),
    "manifest": (encode_manifest(_MANIFEST),),
    "backup-stream": (encode_part(Block("", b"content")) + encode_part(_MANIFEST),),
    "cursor": (_SIGNER.write("another scope", ["a", 1]).encode(),),
}


def samples_of(name: str) -> list[bytes]:
    """What a decoder takes (the cursor: one of another list), to begin from."""
    if name != "segment":
        return list(_SAMPLES[name])
    path = Path(_SCRATCH.name) / "sample"
    write_segment(path, {"rows": 3}, {"rows": np.arange(3), "codes": np.zeros((3, 64), np.uint8)})
    return [path.read_bytes()]


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) != len(pairs):
        raise Disagreement("an object has the same key twice")
    return dict(pairs)


def _refuse(constant: str) -> NoReturn:
    raise Disagreement(f"{constant} is not JSON")


def _as_floats(value: Any) -> Any:
    """The value with each number as a float, since large integers are read as such."""
    if isinstance(value, dict):
        return {key: _as_floats(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_as_floats(item) for item in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value
