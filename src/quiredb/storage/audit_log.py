"""Who did what: lines of JSON, each of which names the hash of the line before, so that an edit breaks the chain.

The file is only appended to, and turned over when it is large: `audit.jsonl.1` is the one before, `.2` the one before
that. It is not part of the record that a crash must keep: what the last second wrote may be lost with the power.
"""

import hashlib
import os
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import orjson

from quiredb.storage.files import file_errors

BYTES_MAX = 64 * 1024 * 1024
FILES_KEPT = 10
_BEGINNING = "0" * 64
_SEAL = re.compile(rb',"hash":"([0-9a-f]{64})"}\Z')
_BLOCK = 64 * 1024

Entry = Mapping[str, str | int | None]


class AuditLog:
    """The log that one process writes. For any number of threads."""

    def __init__(self, path: Path, bytes_max: int = BYTES_MAX) -> None:
        self._path = path
        self._bytes_max = bytes_max
        self._lock = threading.Lock()
        with file_errors(path):
            cut = _cut_unfinished_line(path)
            self._last = _last_hash(path) or _last_hash(_older(path, 1)) or _BEGINNING
            self._open()
        if cut:
            self.append({"event": "recovered", "bytes_cut": cut})

    def append(self, entry: Entry) -> None:
        """Write one line. StorageFull and StorageFailed say that it is not there."""
        with self._lock, file_errors(self._path):
            body = orjson.dumps({**entry, "previous": self._last})
            digest = hashlib.sha256(body).hexdigest()
            line = body[:-1] + f',"hash":"{digest}"}}\n'.encode()
            if self._size and self._size + len(line) > self._bytes_max:
                self._turn_over()
            self._write(line)
            self._size += len(line)
            self._last = digest

    def close(self) -> None:
        """Flush and close the file."""
        with self._lock, file_errors(self._path):
            os.fsync(self._descriptor)
            os.close(self._descriptor)

    def _write(self, line: bytes) -> None:
        """All of the line or, as far as the disk lets, nothing of it."""
        left = memoryview(line)
        try:
            while left:
                left = left[os.write(self._descriptor, left) :]
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._descriptor, self._size)
            raise

    def _open(self) -> None:
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._size = os.fstat(self._descriptor).st_size

    def _turn_over(self) -> None:
        """Begin a new file. Until it is open the one before is not closed: its number may be another file's then."""
        finished = self._descriptor
        os.fsync(finished)
        if self._path.exists():
            for number in range(FILES_KEPT - 1, 0, -1):
                older = _older(self._path, number)
                if older.exists():
                    older.replace(_older(self._path, number + 1))
            self._path.replace(_older(self._path, 1))
        self._open()
        os.close(finished)


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What a log holds: its lines, the hash of the last, and where the chain is broken (a sentence) or None."""

    lines: int
    last_hash: str
    broken: str | None


def verify_audit_log(path: Path) -> AuditReport:
    """Follow the chain through all files of a log, the oldest first.

    A change, a removal or an addition in the middle breaks it. That the end is missing shows only to who has noted the
    last hash.
    """
    files = [*(_older(path, number) for number in range(FILES_KEPT, 0, -1)), path]
    lines, last = 0, None
    for file in files:
        if not file.exists():
            continue
        for number, line in enumerate(_lines(file), 1):
            lines += 1
            digest = _judge(line, last)
            if digest is None:
                return AuditReport(lines, last or _BEGINNING, f"{file.name}, line {number}, is not what was written.")
            last = digest
    return AuditReport(lines, last or _BEGINNING, None)


def _judge(line: bytes, last: str | None) -> str | None:
    """The hash of a line that is as it was written and follows `last` (None: the first that is kept), else None."""
    seal = _SEAL.search(line)
    if seal is None:
        return None
    body = line[: seal.start()] + b"}"
    digest = seal[1].decode()
    if hashlib.sha256(body).hexdigest() != digest:
        return None
    return digest if last is None or body.endswith(f',"previous":"{last}"}}'.encode()) else None


def _lines(path: Path) -> Iterator[bytes]:
    with file_errors(path), path.open("rb") as stream:
        for line in stream:
            yield line.removesuffix(b"\n")


def _older(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")


def _last_hash(path: Path) -> str | None:
    if not path.exists():
        return None
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - _BLOCK))
        lines = stream.read().splitlines()
    seal = _SEAL.search(lines[-1]) if lines else None
    return None if seal is None else seal[1].decode()


def _cut_unfinished_line(path: Path) -> int:
    """Remove what a crash left of a last line; how many bytes that were."""
    if not path.exists():
        return 0
    size = path.stat().st_size
    with path.open("r+b") as stream:
        stream.seek(max(0, size - _BLOCK))
        end = stream.read()
        unfinished = len(end) - (end.rfind(b"\n") + 1)
        stream.truncate(size - unfinished)
    return unfinished
