"""What one backup holds: a manifest that names nothing but digests, keys and numbers.

A file is a list of blocks of `BLOCK_BYTES` (the last may be shorter), each named by its SHA-256. No path of any
machine is in a manifest: where a file belongs follows from what it is.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, TypeVar

import orjson

from quiredb.domain.errors import DataDamaged, FormatUnsupported
from quiredb.domain.identifiers import is_identifier
from quiredb.domain.times import parse_instant
from quiredb.storage.folder import LIBRARY_KEY

BACKUP_FORMAT = 1
BLOCK_BYTES = 1024 * 1024
MANIFEST_BYTES_MAX = 256 * 1024 * 1024
_DIGEST = re.compile(r"[0-9a-f]{64}")
_SEGMENT = re.compile(r"[0-9a-z][0-9a-z_-]{0,99}")
_TEXT_CHARACTERS_MAX = 1_000
_NUMBER_MAX = 2**62
_REPEATED_MAX = 16
_REPEATED_BYTES_ALWAYS = 64 * BLOCK_BYTES

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file as the SHA-256 digests (hex) of its blocks, in order."""

    bytes: int
    blocks: tuple[str, ...]

    def sizes(self) -> Iterator[tuple[str, int]]:
        """(digest, bytes) of each block."""
        for number, digest in enumerate(self.blocks):
            yield digest, min(BLOCK_BYTES, self.bytes - number * BLOCK_BYTES)


@dataclass(frozen=True, slots=True)
class StoredSegment:
    """A segment file under the name by which the library's record lists it."""

    name: str
    file: StoredFile


@dataclass(frozen=True, slots=True)
class StoredLibrary:
    """A library at one position: its database file, its segments, and the digest of its state (storage.digest)."""

    id: str
    key: str
    position: int
    digest: str
    documents: int
    chunks: int
    record: StoredFile
    segments: tuple[StoredSegment, ...]

    def files(self) -> Iterator[StoredFile]:
        """All its files."""
        yield self.record
        yield from (segment.file for segment in self.segments)

    @property
    def bytes(self) -> int:
        """Bytes of all its files."""
        return sum(file.bytes for file in self.files())


@dataclass(frozen=True, slots=True)
class Omitted:
    """A library that could not be read, and why."""

    id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """One backup. `data_format` is that of the data folder."""

    made_at: str
    program: str
    data_format: int
    catalogue: StoredFile
    libraries: tuple[StoredLibrary, ...]
    omitted: tuple[Omitted, ...] = ()

    def files(self) -> Iterator[StoredFile]:
        """All files of the backup."""
        yield self.catalogue
        for library in self.libraries:
            yield from library.files()

    def blocks(self) -> dict[str, int]:
        """Every block that the backup needs, once, with its bytes."""
        return dict(pair for file in self.files() for pair in file.sizes())

    @property
    def bytes(self) -> int:
        """Bytes of all files when restored."""
        return sum(file.bytes for file in self.files())

    @property
    def instant(self) -> datetime:
        """When the backup was begun."""
        instant = parse_instant(self.made_at)
        assert instant is not None, "decode_manifest has parsed it"
        return instant

    def library(self, library_id: str) -> StoredLibrary | None:
        """The library of that id, or None."""
        return next((library for library in self.libraries if library.id == library_id), None)


def encode_manifest(manifest: Manifest) -> bytes:
    """The manifest as one line of JSON."""
    return orjson.dumps({"format": BACKUP_FORMAT, **asdict(manifest)}, option=orjson.OPT_SORT_KEYS)


def decode_manifest(encoded: bytes) -> Manifest:
    """Read a manifest, believing nothing.

    Raises:
        FormatUnsupported: a newer program wrote it.
        DataDamaged: it says anything that Quire does not write.
    """
    try:
        fields = orjson.loads(encoded)
        version = fields.pop("format")
    except (orjson.JSONDecodeError, KeyError, AttributeError, TypeError):
        raise _refused("it is not a manifest") from None
    if type(version) is not int or version < 1:
        raise _refused("its format is no number")
    if version > BACKUP_FORMAT:
        raise FormatUnsupported(f"The backup has format {version}, this program knows {BACKUP_FORMAT}: upgrade Quire.")
    _check_members(fields, Manifest)
    manifest = Manifest(
        made_at=_instant(fields["made_at"]),
        program=_text(fields["program"]),
        data_format=_number(fields["data_format"]),
        catalogue=_file(fields["catalogue"]),
        libraries=_list(fields["libraries"], _library),
        omitted=_list(fields["omitted"], _omitted),
    )
    _check_whole(manifest)
    return manifest


def is_digest(text: object) -> bool:
    """Whether this is a SHA-256 in lower-case hex digits."""
    return isinstance(text, str) and _DIGEST.fullmatch(text) is not None


def _check_whole(manifest: Manifest) -> None:
    for what in ("id", "key"):
        named = Counter(getattr(library, what) for library in manifest.libraries)
        if any(count > 1 for count in named.values()):
            raise _refused(f"two libraries have one {what}")
    distinct = sum(manifest.blocks().values())
    if manifest.bytes > _REPEATED_MAX * distinct + _REPEATED_BYTES_ALWAYS:
        raise _refused("it makes far more of its blocks than they hold")
    sizes: dict[str, int] = {}
    for digest, size in (pair for file in manifest.files() for pair in file.sizes()):
        if sizes.setdefault(digest, size) != size:
            raise _refused("it gives one block two sizes")


def _library(fields: Any) -> StoredLibrary:
    _check_members(fields, StoredLibrary)
    segments = _list(fields["segments"], _segment)
    if len({segment.name for segment in segments}) != len(segments):
        raise _refused("two segments have one name")
    if not (isinstance(fields["id"], str) and is_identifier(fields["id"])):
        raise _refused("a library has no proper id")
    return StoredLibrary(
        id=fields["id"],
        key=_matching(fields["key"], LIBRARY_KEY),
        position=_number(fields["position"]),
        digest=_matching(fields["digest"], _DIGEST),
        documents=_number(fields["documents"]),
        chunks=_number(fields["chunks"]),
        record=_file(fields["record"]),
        segments=segments,
    )


def _segment(fields: Any) -> StoredSegment:
    _check_members(fields, StoredSegment)
    return StoredSegment(_matching(fields["name"], _SEGMENT), _file(fields["file"]))


def _omitted(fields: Any) -> Omitted:
    _check_members(fields, Omitted)
    return Omitted(_text(fields["id"]), _text(fields["reason"]))


def _file(fields: Any) -> StoredFile:
    _check_members(fields, StoredFile)
    size = _number(fields["bytes"])
    blocks = _list(fields["blocks"], lambda block: _matching(block, _DIGEST))
    if len(blocks) != -(-size // BLOCK_BYTES):
        raise _refused("a file's size does not fit its blocks")
    return StoredFile(size, blocks)


def _check_members(fields: Any, kind: type) -> None:
    if not isinstance(fields, dict) or fields.keys() != kind.__dataclass_fields__.keys():  # type: ignore[attr-defined]
        raise _refused(f"a {kind.__name__} has other members than it should")


def _list(value: Any, read: Callable[[Any], _Item]) -> tuple[_Item, ...]:
    if not isinstance(value, list):
        raise _refused("a list is missing")
    return tuple(read(item) for item in value)


def _number(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= _NUMBER_MAX:
        raise _refused("a number is none, or out of range")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > _TEXT_CHARACTERS_MAX:
        raise _refused("a text is none, or too long")
    return value


def _instant(value: Any) -> str:
    if not isinstance(value, str) or parse_instant(value) is None:
        raise _refused("a time is none")
    return value


def _matching(value: Any, pattern: re.Pattern[str]) -> str:
    if not isinstance(value, str) or pattern.fullmatch(value) is None:
        raise _refused("a digest, key or name is none that Quire makes")
    return value


def _refused(why: str) -> DataDamaged:
    return DataDamaged(f"The backup's manifest is refused: {why}.")
