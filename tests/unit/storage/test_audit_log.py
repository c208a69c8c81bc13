"""The audit log: what is written can be verified, what is tampered with is seen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

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


def test_files_are_turned_over_and_the_oldest_goes(path: Path) -> None:
    write(path, 300, bytes_max=4000)
    files = sorted(path.parent.iterdir())

    assert len(files) == FILES_KEPT + 1
    assert all(file.stat().st_size <= 4000 for file in files)
    assert verify_audit_log(path).broken is None
    write(path, 1, bytes_max=4000)
    path.with_name("audit.jsonl.3").unlink()
    assert verify_audit_log(path).broken is not None
