"""Segment files: named arrays in one file, written once, read by mapping.

Layout, little-endian: 20 bytes of prefix (magic, format version, bytes and CRC-32 of the header), the header as
JSON, then each array at a multiple of 64 bytes. The header holds the caller's own header and, for each array, its
dtype, shape, offset, bytes and CRC-32. Opening checks the header and the file's size; `verify` reads every byte.
"""

import math
import re
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import orjson

from quiredb.domain.errors import DataDamaged, FormatUnsupported
from quiredb.storage.disk import Mapped
from quiredb.storage.files import file_bytes, is_file, map_file, read_file, write_file

JSON: TypeAlias = "bool | int | float | str | list[JSON] | dict[str, JSON] | None"
Array: TypeAlias = npt.NDArray[Any]

_MAGIC = b"QUIRESEG"
_PREFIX = struct.Struct("<8sIII")
_FORMAT_VERSION = 1
_ALIGNMENT = 64
_SLICE_BYTES = 16 * 1024 * 1024
_AXES_MAX = 8
_DTYPE = re.compile(r"\|[bu]1|\|i1|<[iuf][248]")


@dataclass(frozen=True, slots=True)
class _Stored:
    """Where one array is and how its bytes add up."""

    dtype: str
    shape: list[int]
    offset: int
    bytes: int
    crc: int


class SegmentFile:
    """An open segment file. `arrays` are read-only views of the mapped file: no copy, read from disk when touched.

    The mapping lives as long as any of its arrays does, also after `close` and after the file was removed.
    """

    def __init__(self, path: Path, header: dict[str, Any], stored: Mapping[str, _Stored], mapped: Mapped) -> None:
        self.path = path
        self.header = header
        self._stored = stored
        self.arrays: dict[str, Array] = {name: _view(mapped, array) for name, array in stored.items()}

    def verify(self, concerns: Callable[[Array], bool] = lambda _: True) -> None:
        """Read every byte of every array that this concerns; `DataDamaged` names the first that is not as written.

        They are read, not touched in the mapping: a byte that the medium cannot give is an error then, not a signal
        that ends the process.
        """
        for name, array in self._stored.items():
            if concerns(self.arrays[name]) and _stored_checksum(self.path, array) != array.crc:
                raise DataDamaged(f"{self.path}: the array {name!r} does not match its checksum.")

    def close(self) -> None:
        """Let go of the arrays."""
        self.arrays = {}


def write_segment(path: Path, header: Mapping[str, JSON], arrays: Mapping[str, Array]) -> int:
    """Write a segment file durably and atomically; returns its bytes. Arrays are numbers or booleans of any shape."""
    plain = {name: _plain(array) for name, array in arrays.items()}
    checksums = {name: _checksum(array) for name, array in plain.items()}
    # Offsets are relative to the first array, so that they do not depend on the length of the header that holds them.
    offset = 0
    described: dict[str, dict[str, object]] = {}
    for name, array in plain.items():
        described[name] = {
            "dtype": array.dtype.str,
            "shape": list(array.shape),
            "offset": offset,
            "bytes": array.nbytes,
            "crc": checksums[name],
        }
        offset += _aligned(array.nbytes)
    encoded = orjson.dumps({"header": dict(header), "arrays": described})
    return write_file(path, _parts(encoded, plain))


def open_segment(path: Path) -> SegmentFile:
    """Map a segment file. `DataDamaged` when its header or size is wrong or it is missing."""
    if not is_file(path):
        raise DataDamaged(f"{path} is missing.")
    prefix = read_file(path, _PREFIX.size)
    if len(prefix) < _PREFIX.size or not prefix.startswith(_MAGIC):
        raise DataDamaged(f"{path} is not a segment file.")
    _, version, header_bytes, header_crc = _PREFIX.unpack(prefix)
    if version > _FORMAT_VERSION:
        raise FormatUnsupported(f"{path} has format {version}, this program knows {_FORMAT_VERSION}.")
    encoded = read_file(path, header_bytes, _PREFIX.size)
    if len(encoded) != header_bytes or zlib.crc32(prefix[:16] + encoded) != header_crc:
        raise DataDamaged(f"{path}: the header does not match its checksum.")
    header, described = _header(path, encoded)
    first = _aligned(_PREFIX.size + header_bytes)
    stored = {name: _located(path, name, fields, first) for name, fields in described.items()}
    end = max((array.offset + _aligned(array.bytes) for array in stored.values()), default=0)
    end = max(end, first)
    if (found := file_bytes(path)) != end:
        raise DataDamaged(f"{path} has {found} bytes instead of {end}.")
    return SegmentFile(path, header, stored, map_file(path))


def _parts(encoded: bytes, arrays: Mapping[str, Array]) -> Iterator[bytes | memoryview]:
    unchecked = _PREFIX.pack(_MAGIC, _FORMAT_VERSION, len(encoded), 0)
    crc = zlib.crc32(unchecked[:16] + encoded)
    head = _PREFIX.pack(_MAGIC, _FORMAT_VERSION, len(encoded), crc) + encoded
    yield head.ljust(_aligned(len(head)), b"\0")
    for array in arrays.values():
        yield from _slices(array)
        yield b"\0" * (_aligned(array.nbytes) - array.nbytes)


def _plain(array: Array) -> Array:
    plain = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).reshape(array.shape)
    if _DTYPE.fullmatch(plain.dtype.str) is None:
        raise TypeError(f"A segment file does not hold arrays of {array.dtype}.")
    return plain


def _header(path: Path, encoded: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """The caller's header and the description of the arrays. A checksum that fits proves no good will."""
    try:
        described = orjson.loads(encoded)
    except orjson.JSONDecodeError:
        described = None
    match described:
        case {"header": dict(header), "arrays": dict(arrays)}:
            return header, arrays
    raise DataDamaged(f"{path}: the header is not that of a segment.")


def _located(path: Path, name: str, fields: object, first: int) -> _Stored:
    """Where an array is in the file, whose arrays begin at `first`."""
    match fields:
        case {"dtype": str(dtype), "shape": list(shape), "offset": int(offset), "bytes": int(count), "crc": int(crc)}:
            if _DTYPE.fullmatch(dtype) and offset >= 0 and _fills(shape, np.dtype(dtype).itemsize, count):
                return _Stored(dtype, shape, offset + first, count, crc)
    raise DataDamaged(f"{path}: the array {name!r} is not described as one of a segment is.")


def _fills(shape: list[Any], item_bytes: int, count: int) -> bool:
    """Whether an array of this shape has that many bytes."""
    if len(shape) > _AXES_MAX or not all(isinstance(size, int) and size >= 0 for size in shape):
        return False
    items: int = math.prod(shape)
    return items * item_bytes == count


def _view(mapped: Mapped, stored: _Stored) -> Array:
    if stored.bytes == 0:
        empty = np.empty(stored.shape, dtype=stored.dtype)
        empty.flags.writeable = False
        return empty
    return np.ndarray(stored.shape, dtype=stored.dtype, buffer=mapped, offset=stored.offset)


def _slices(array: Array) -> Iterator[memoryview]:
    if array.nbytes == 0:
        return
    content = array.reshape(-1).view(np.uint8).data
    for start in range(0, len(content), _SLICE_BYTES):
        yield content[start : start + _SLICE_BYTES]


def _checksum(array: Array) -> int:
    crc = 0
    for part in _slices(array):
        crc = zlib.crc32(part, crc)
    return crc


def _stored_checksum(path: Path, array: _Stored) -> int:
    crc = 0
    for start in range(0, array.bytes, _SLICE_BYTES):
        crc = zlib.crc32(read_file(path, min(_SLICE_BYTES, array.bytes - start), array.offset + start), crc)
    return crc


def _aligned(count: int) -> int:
    return -(-count // _ALIGNMENT) * _ALIGNMENT
