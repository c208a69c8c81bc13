"""A vector index in a folder: one `.npy` file for each array, and a manifest that names and checks them.

Array files have names of their own for each save, and the manifest is renamed into place last: a folder holds either
the old index or the new one, and whoever has the old one mapped keeps it.
"""

from __future__ import annotations

import json
import os
import secrets
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quiredb.indexes.contract import Arrays, IndexArraysError

MANIFEST = "quire-index.json"
UNREAD = frozenset({"vectors"})
"""Arrays whose bytes are not read when the folder is opened: they may be larger than memory."""

_FORMAT = 1
_SLICE = 1 << 24


def write_folder(folder: Path, description: Mapping[str, Any], arrays: Arrays) -> None:
    """Write durably; replaces an index that is there. Raises ValueError when the folder holds something else."""
    folder.mkdir(parents=True, exist_ok=True)
    manifest = folder / MANIFEST
    if not manifest.exists() and any(folder.iterdir()):
        raise ValueError(f"{folder} holds other files; save into an empty or new folder, or over a saved index")
    token = secrets.token_hex(4)
    stored = {name: _write_array(folder / f"{name}-{token}.npy", array) for name, array in arrays.items()}
    content = {"format": _FORMAT, "index": dict(description), "arrays": stored}
    encoded = json.dumps(content, sort_keys=True).encode()
    aside = folder / f"{MANIFEST}-{token}"
    _write_bytes(aside, f"{zlib.crc32(encoded):08x}\n".encode() + encoded)
    aside.replace(manifest)
    _flush_folder(folder)
    kept = {entry["file"] for entry in stored.values()} | {MANIFEST}
    for file in folder.iterdir():
        if file.name not in kept and (file.suffix == ".npy" or file.name.startswith(MANIFEST)):
            file.unlink()


def read_folder(folder: Path, *, verify: bool = False) -> tuple[dict[str, Any], Arrays]:
    """The description and the mapped arrays. Raises IndexArraysError for what is damaged or no index.

    Sizes and types of all arrays are checked, and the checksums of all but the vectors; with `verify` theirs too.
    """
    content = _manifest(folder)
    arrays: Arrays = {}
    for name, entry in content["arrays"].items():
        array = _mapped(folder / entry["file"])
        if array.dtype.str != entry["dtype"] or list(array.shape) != entry["shape"]:
            raise IndexArraysError(
                f"{entry['file']} in {folder} is not the array that was saved; build the index again"
            )
        if (verify or name not in UNREAD) and _checksum(array) != entry["crc"]:
            raise IndexArraysError(f"{entry['file']} in {folder} is damaged (checksum); build the index again")
        arrays[name] = array
    return content["index"], arrays


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    if not path.is_file():
        raise IndexArraysError(f"{folder} holds no saved index ({MANIFEST} is missing)")
    head, _, encoded = path.read_bytes().partition(b"\n")
    if head != f"{zlib.crc32(encoded):08x}".encode():
        raise IndexArraysError(f"{path} is damaged (checksum); build the index again")
    content: dict[str, Any] = json.loads(encoded)
    if content["format"] != _FORMAT:
        raise IndexArraysError(f"{path} has format {content['format']}, this version reads {_FORMAT}; build it again")
    return content


def _mapped(path: Path) -> NDArray[Any]:
    try:
        return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    except (OSError, ValueError, EOFError) as error:
        raise IndexArraysError(f"{path} cannot be read ({error}); build the index again") from error


def _write_array(path: Path, array: NDArray[Any]) -> dict[str, Any]:
    with path.open("wb") as stream:
        np.save(stream, array, allow_pickle=False)
        stream.flush()
        os.fsync(stream.fileno())
    return {"file": path.name, "dtype": array.dtype.str, "shape": list(array.shape), "crc": _checksum(array)}


def _write_bytes(path: Path, content: bytes) -> None:
    with path.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _checksum(array: NDArray[Any]) -> int:
    content = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    crc = 0
    for start in range(0, content.shape[0], _SLICE):
        crc = zlib.crc32(content[start : start + _SLICE].data, crc)
    return crc
