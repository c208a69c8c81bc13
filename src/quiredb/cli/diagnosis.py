"""What would keep a server from working on this machine with this folder, and what to do about it."""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from quiredb.cli.output import bytes_in_words
from quiredb.domain.errors import StorageFailed
from quiredb.domain.operating import FREE_BYTES_ADVISED
from quiredb.indexes.contract import KernelSelfTestError
from quiredb.indexes.warmup import warm_up
from quiredb.repositories.keys import list_keys
from quiredb.settings import Settings, is_loopback
from quiredb.storage import probing
from quiredb.storage.folder import MARKER_NAME, check_marker
from quiredb.storage.machine import default_memory_limit, descriptor_limit, disk_space

_DESCRIPTORS_MIN = 4_096
_MEMORY_BYTES_MIN = 512 * 1024**2
_FLUSHES = 9
_FLUSH_SECONDS_MAX = 0.05
_SQLITE_MIN = (3, 51, 3)
"""Older ones can damage a file when one connection writes while another merges the log (fixed in 3.51.3)."""
_EARLIEST_NOW = 1_760_000_000.0


class Verdict(StrEnum):
    """What a finding means for a server."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `advice` where there is something to do."""

    subject: str
    verdict: Verdict
    found: str
    advice: str = ""


def diagnose(settings: Settings) -> Iterator[Finding]:
    """Look at everything, one finding after the other; only what the kernels need takes longer than a moment."""
    folder = settings.data
    yield _format(folder)
    if folder.is_dir():
        yield _permissions(folder)
        yield _lock(folder)
        yield from _disk(folder)
    else:
        yield Finding("folder", Verdict.OK, f"{folder} is not there yet; the server makes it")
        yield _space(_nearest(folder))
    yield _sqlite()
    yield _memory(settings)
    yield _descriptors()
    yield _clock(time.time())
    yield _access(settings)
    yield _kernels(warm_up)


def _format(folder: Path) -> Finding:
    try:
        check_marker(folder)
    except StorageFailed as error:
        return Finding("format", Verdict.ERROR, error.detail, "choose another folder, or upgrade Quire")
    there = (folder / MARKER_NAME).exists()
    return Finding("format", Verdict.OK, "known to this program" if there else "there is no data yet")


def _permissions(folder: Path) -> Finding:
    if not probing.may_write(folder):
        return Finding(
            "permissions", Verdict.ERROR, f"user {os.getuid()} may not write {folder}", "give the folder to this user"
        )
    if probing.others_may_read(folder):
        return Finding("permissions", Verdict.WARNING, "other users may look into it", f"chmod 700 {folder}")
    return Finding("permissions", Verdict.OK, "this user's alone")


def _lock(folder: Path) -> Finding:
    if probing.is_in_use(folder):
        return Finding("lock", Verdict.OK, "a server uses the folder")
    return Finding("lock", Verdict.OK, "free")


def _disk(folder: Path) -> Iterator[Finding]:
    yield _space(folder)
    try:
        seconds = probing.flush_seconds(folder, _FLUSHES)
    except StorageFailed as error:
        yield Finding("flush", Verdict.ERROR, error.detail, "the server cannot write here")
        return
    found = f"{seconds * 1000:.1f} ms to write 4 KiB for good"
    if seconds > _FLUSH_SECONDS_MAX:
        yield Finding("flush", Verdict.WARNING, found, "each commit takes as long: use a faster disk")
    else:
        yield Finding("flush", Verdict.OK, found)


def _space(folder: Path) -> Finding:
    free = disk_space(folder).free
    found = f"{bytes_in_words(free)} free"
    if free < FREE_BYTES_ADVISED:
        return Finding("disk", Verdict.WARNING, found, "writes are refused when nothing is left")
    return Finding("disk", Verdict.OK, found)


def _nearest(folder: Path) -> Path:
    """The folder, or the one that it would be made in."""
    return next(parent for parent in (folder, *folder.absolute().parents) if parent.is_dir())


def _sqlite() -> Finding:
    version = probing.sqlite_version()
    if not probing.verifies_checksums():
        return Finding("sqlite", Verdict.ERROR, f"{version} without page checksums", "install apsw with cksumvfs")
    if tuple(int(part) for part in version.split(".")) < _SQLITE_MIN:
        return Finding("sqlite", Verdict.ERROR, version, "upgrade apsw: this version can damage files")
    return Finding("sqlite", Verdict.OK, f"{version} with page checksums")


def _memory(settings: Settings) -> Finding:
    limit = default_memory_limit() if settings.memory_limit is None else settings.memory_limit
    if not limit:
        return Finding("memory", Verdict.WARNING, "no limit", "set --memory-limit, so that work is refused in time")
    if limit < _MEMORY_BYTES_MIN:
        return Finding("memory", Verdict.WARNING, f"limit {bytes_in_words(limit)}", "enough for small libraries only")
    return Finding("memory", Verdict.OK, f"limit {bytes_in_words(limit)}")


def _descriptors() -> Finding:
    limit = descriptor_limit()
    if limit < _DESCRIPTORS_MIN:
        return Finding(
            "open files",
            Verdict.WARNING,
            f"at most {limit}",
            f"ulimit -n {_DESCRIPTORS_MIN}: each connection takes one",
        )
    return Finding("open files", Verdict.OK, f"at most {limit}")


def _clock(seconds: float) -> Finding:
    if seconds < _EARLIEST_NOW:
        return Finding("clock", Verdict.WARNING, "it is before this program was made", "set the clock: keys may expire")
    return Finding("clock", Verdict.OK, time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(seconds)))


def _access(settings: Settings) -> Finding:
    try:
        keys = len(list_keys(settings.data))
    except StorageFailed as error:
        return Finding("access", Verdict.ERROR, error.detail, "quire check says what is damaged")
    if keys:
        return Finding("access", Verdict.OK, f"{settings.host}, {keys} API keys")
    if is_loopback(settings.host):
        return Finding("access", Verdict.OK, f"{settings.host} only, no API keys")
    if settings.allow_open:
        return Finding(
            "access", Verdict.WARNING, f"{settings.host} without API keys", "whoever reaches the port can do everything"
        )
    return Finding("access", Verdict.ERROR, f"{settings.host} without API keys", "quire key create --name NAME")


def _kernels(start: Callable[[], object]) -> Finding:
    try:
        start()
    except KernelSelfTestError as error:
        return Finding("kernels", Verdict.ERROR, str(error), "QUIRE_SIMD=portable, or delete the kernel cache")
    return Finding("kernels", Verdict.OK, "compiled, and right on small inputs")
