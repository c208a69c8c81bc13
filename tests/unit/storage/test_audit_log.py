"""The audit log: what is written can be verified, what is tampered with is seen."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from quiredb.domain.errors import StorageFailed, StorageFull
from quiredb.storage.audit_log import FILES_KEPT, AuditLog, verify_audit_log


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


def write(path: Path, count: int, bytes_max: int = 10**6) -> None:
    log = AuditLog(path, bytes_max)
    for number in range(count):
        log.append({"action": "put_chunk", "library": "ä\n", "number": number})
    log.close()


def test_lines_are_chained_over_restarts(path: Path) -> None:
    write(path, 3)
    write(path, 2)
    lines = [orjson.loads(line) for line in path.read_bytes().splitlines()]

    assert [line["number"] for line in lines] == [0, 1, 2, 0, 1]
    assert [line["previous"] for line in lines[1:]] == [line["hash"] for line in lines[:-1]]
    assert path.stat().st_mode & 0o777 == 0o600
    report = verify_audit_log(path)
    assert (report.lines, report.last_hash, report.broken) == (5, lines[-1]["hash"], None)


@pytest.mark.parametrize(
    "tamper",
    [
        lambda lines: [*lines[:2], *lines[3:]],
        lambda lines: [*lines[:2], lines[2].replace(b'"number":2', b'"number":7'), *lines[3:]],
        lambda lines: [*lines[:2], lines[1], *lines[2:]],
        lambda lines: [lines[1], lines[0], *lines[2:]],
        lambda lines: [*lines[:2], b'{"action":"forged"}', *lines[2:]],
        lambda lines: [*lines[:2], b"", *lines[2:]],
    ],
)
def test_what_was_tampered_with_is_seen(path: Path, tamper: Callable[[list[bytes]], list[bytes]]) -> None:
    write(path, 5)
    path.write_bytes(b"\n".join(tamper(path.read_bytes().splitlines())) + b"\n")

    assert verify_audit_log(path).broken is not None


def test_every_flipped_byte_is_seen(path: Path) -> None:
    write(path, 2)
    content = path.read_bytes()
    for place in range(len(content) - 1):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        assert verify_audit_log(path).broken is not None, place


def test_a_line_that_a_crash_left_unfinished_is_cut(path: Path) -> None:
    write(path, 2)
    with path.open("ab") as stream:
        stream.write(b'{"action":"half')
    write(path, 1)

    assert verify_audit_log(path).broken is None
    assert b'"event":"recovered","bytes_cut":15' in path.read_bytes()


def test_a_line_that_finds_no_space_is_not_there_and_says_so(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fills up takes a part of the line first, and refuses the rest."""
    log = AuditLog(path)
    log.append({"number": 1})
    before = path.read_bytes()
    write_all = os.write

    def write_some(descriptor: int, content: bytes | memoryview) -> int:
        room = len(before) + 7 - os.fstat(descriptor).st_size
        if room == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write_all(descriptor, content[:room])

    with monkeypatch.context() as full:
        full.setattr(os, "write", write_some)
        with pytest.raises(StorageFull):
            log.append({"number": 2})
    assert path.read_bytes() == before
    log.append({"number": 2})
    log.close()
    assert verify_audit_log(path).lines == 2
    assert verify_audit_log(path).broken is None


def test_a_new_file_that_cannot_be_opened_leaves_the_log_as_it_is(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Were the old one closed, the next line might go into whatever file has its number by then."""
    log = AuditLog(path, bytes_max=200)
    log.append({"number": 1})

    def refuse(*_: object) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with monkeypatch.context() as short:
        short.setattr(os, "open", refuse)
        for _ in range(2):
            with pytest.raises(StorageFailed):
                log.append({"number": 2})
    with (path.parent / "other").open("wb") as other:
        log.append({"number": 2})
        assert other.tell() == 0
    log.close()
    assert (path.parent / "other").read_bytes() == b""
    assert (verify_audit_log(path).lines, verify_audit_log(path).broken) == (2, None)


def test_files_are_turned_over_and_the_oldest_goes(path: Path) -> None:
    write(path, 300, bytes_max=4000)
    files = sorted(path.parent.iterdir())

    assert len(files) == FILES_KEPT + 1
    assert all(file.stat().st_size <= 4000 for file in files)
    assert verify_audit_log(path).broken is None
    write(path, 1, bytes_max=4000)
    path.with_name("audit.jsonl.3").unlink()
    assert verify_audit_log(path).broken is not None
