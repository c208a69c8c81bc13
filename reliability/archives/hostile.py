"""Folders of backups made to do harm: to write elsewhere, to read elsewhere, to run code, to fill the disk."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeAlias

import orjson

Tamper: TypeAlias = Callable[["Prey"], None]


class Prey:
    """A good folder of backups that is about to be tampered with, and what must stay untouched beside it."""

    def __init__(self, backups: Path, outside: Path) -> None:
        self.folder = backups
        self.outside = outside
        self.canary = outside / "canary"
        self.manifest_path = next((backups / "manifests").iterdir())
        self.manifest: dict[str, Any] = orjson.loads(self.manifest_path.read_bytes().partition(b"\n")[0])
        self.library: dict[str, Any] = self.manifest["libraries"][0]

    def seal(self, encoded: bytes | None = None) -> None:
        """Write the manifest as Quire would have: with its seal, under its name."""
        encoded = orjson.dumps(self.manifest) if encoded is None else encoded
        digest = sha256(encoded).hexdigest()
        self.manifest_path.unlink()
        self.manifest_path = self.manifest_path.with_name(f"{self.manifest_path.name.partition('-')[0]}-{digest[:8]}")
        self.manifest_path.write_bytes(encoded + b"\nsha256 " + digest.encode() + b"\n")

    def block_path(self, digest: str) -> Path:
        """Where a block is."""
        return self.folder / "blocks" / digest[:2] / digest

    def add(self, content: bytes) -> dict[str, Any]:
        """A file of one block with that content, as a manifest describes it."""
        digest = sha256(content).hexdigest()
        self.block_path(digest).parent.mkdir(exist_ok=True)
        self.block_path(digest).write_bytes(content)
        return {"bytes": len(content), "blocks": [digest]}


class Canary:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def _library_with(name: str, make: Callable[[Prey], Any]) -> Tamper:
    def tamper(prey: Prey) -> None:
        prey.library[name] = make(prey)
        prey.seal()

    return tamper


def _segment_named(make: Callable[[Prey], str]) -> Tamper:
    def tamper(prey: Prey) -> None:
        prey.library["segments"][0]["name"] = make(prey)
        prey.seal()

    return tamper


def _with(**members: Any) -> Tamper:
    def tamper(prey: Prey) -> None:
        prey.manifest.update(members)
        prey.seal()

    return tamper


def _two_with_one(member: str) -> Tamper:
    def tamper(prey: Prey) -> None:
        prey.manifest["libraries"][1][member] = prey.library[member]
        prey.seal()

    return tamper


def _segment_twice(prey: Prey) -> None:
    prey.library["segments"] *= 2
    prey.seal()


def _link_to_secret(prey: Prey) -> None:
    secret = prey.outside / "secret"
    digest = sha256(secret.read_bytes()).hexdigest()
    prey.library["segments"][0]["file"] = {"bytes": secret.stat().st_size, "blocks": [digest]}
    prey.block_path(digest).parent.mkdir(exist_ok=True)
    prey.block_path(digest).symlink_to(secret)
    prey.seal()


def _hard_link_to_secret(prey: Prey) -> None:
    path = prey.block_path(prey.library["record"]["blocks"][0])
    path.unlink()
    path.hardlink_to(prey.outside / "secret")


def _block_replaced(replace: Callable[[Path], object]) -> Tamper:
    def tamper(prey: Prey) -> None:
        path = prey.block_path(prey.library["record"]["blocks"][0])
        path.unlink()
        replace(path)

    return tamper


def _sparse(path: Path) -> None:
    with path.open("wb") as stream:
        stream.truncate(10 * 2**30)


def _linked_manifest(prey: Prey) -> None:
    moved = prey.outside / "moved"
    prey.manifest_path.rename(moved)
    prey.manifest_path.symlink_to(moved)


def _linked_marker(prey: Prey) -> None:
    marker = prey.folder / "quire-backup.json"
    moved = prey.outside / "marker"
    marker.rename(moved)
    marker.symlink_to(moved)


def _repeated_block(prey: Prey) -> None:
    file = prey.add(b"\0" * 2**20)
    prey.library["segments"][0]["file"] = {"bytes": 10 * 2**30, "blocks": file["blocks"] * 10_240}
    prey.seal()


def _pickled(member: str) -> Tamper:
    def tamper(prey: Prey) -> None:
        file = prey.add(pickle.dumps(Canary(prey.canary)))
        if member == "segment":
            prey.library["segments"][0]["file"] = file
        elif member == "record":
            prey.library["record"] = file
        else:
            prey.manifest["catalogue"] = file
        prey.seal()

    return tamper


def _swapped_records(prey: Prey) -> None:
    other = prey.manifest["libraries"][1]
    prey.library["record"], other["record"] = other["record"], prey.library["record"]
    prey.seal()


def _nested(prey: Prey) -> None:
    prey.seal(b'{"format": 1, "libraries": ' + b"[" * 100_000 + b"]" * 100_000 + b"}")


TAMPERED: dict[str, Tamper] = {
    "a library key that leads out": _library_with("key", lambda prey: f"../../{prey.outside.name}"),
    "an absolute library key": _library_with("key", lambda prey: str(prey.outside / "new")),
    "an empty library key": _library_with("key", lambda _: ""),
    "a library key with a NUL": _library_with("key", lambda _: "0123456789ab\0"),
    "a library key with a line feed": _library_with("key", lambda _: "0123456789ab\n"),
    "a library id that leads out": _library_with("id", lambda _: "../x"),
    "a segment name that leads out": _segment_named(lambda prey: f"../../../../{prey.outside.name}/file"),
    "an absolute segment name": _segment_named(lambda prey: str(prey.outside / "file")),
    "a segment name in a folder": _segment_named(lambda _: "a/b"),
    "a segment named ..": _segment_named(lambda _: ".."),
    "two libraries of one key": _two_with_one("key"),
    "two libraries of one id": _two_with_one("id"),
    "a segment listed twice": _segment_twice,
    "an unknown member": _with(run="/bin/sh"),
    "a member that is a path": _with(catalogue="/etc/passwd"),
    "a digest that leads out": _with(catalogue={"bytes": 10, "blocks": ["../../../../etc/passwd".ljust(64, "/")]}),
    "a negative size": _with(catalogue={"bytes": -1, "blocks": []}),
    "a size that is no number": _with(catalogue={"bytes": 1e300, "blocks": []}),
    "a newer backup": _with(format=2),
    "newer data": _with(data_format=99),
    "a block that is a link to a secret": _link_to_secret,
    "a block that is a hard link to a secret": _hard_link_to_secret,
    "a block that is a pipe": _block_replaced(os.mkfifo),
    "a block that is a folder": _block_replaced(lambda path: path.mkdir()),
    "a block that is a device's link": _block_replaced(lambda path: path.symlink_to("/dev/zero")),
    "a block of 10 GiB": _block_replaced(_sparse),
    "one block 10,240 times": _repeated_block,
    "a manifest that is a link": _linked_manifest,
    "a marker that is a link": _linked_marker,
    "a manifest nested 100,000 deep": _nested,
    "a record that is a pickle": _pickled("record"),
    "a catalogue that is a pickle": _pickled("catalogue"),
    "records of two libraries swapped": _swapped_records,
}
"""What must be refused, by what was done."""

HARMLESS: dict[str, Tamper] = {"a segment that is a pickle": _pickled("segment")}
"""What may be restored, since segments are caches that nobody believes, but must do no harm."""
