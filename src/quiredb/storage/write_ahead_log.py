"""Is a write-ahead log damaged, or only unfinished? SQLite takes both for the end of the log.

SQLite reads a log up to the first frame whose running checksum does not hold (https://sqlite.org/fileformat2.html,
section 4). After a crash that is right: what follows was never acknowledged. After damage it would drop acknowledged
commits without a word. The two can be told apart, because a commit is flushed before the next one is written: a commit
frame that another frame continues (that frame's checksum goes on from it) was on the medium, and so acknowledged. Found
behind the end that SQLite saw, it proves damage. What cannot be told is damage of the last commit: nothing follows it.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

import apsw

from quiredb.domain.errors import DataDamaged
from quiredb.storage.files import file_bytes, read_record, rewrite_file, write_file

_HEADER = struct.Struct(">IIIIIIII")
_FRAME = struct.Struct(">IIIIII")
_CHECKED_BYTES = 8
_MASK = 0xFFFFFFFF
_SLICE_BYTES = 1024 * 1024

Checksum: TypeAlias = tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Frame:
    """A frame's header, and where the frame begins. `pages` is not 0 in a frame that ends a commit."""

    offset: int
    pages: int
    salts: tuple[int, int]
    checksum: Checksum


def log_of(path: Path) -> Path:
    """Where the log of the database at `path` is."""
    return path.with_name(path.name + "-wal")


def has_log(path: Path) -> bool:
    """Whether anything is in the log of the database at `path`."""
    return file_bytes(log_of(path)) > 0


def renew_log(path: Path) -> None:
    """Bring the log that an earlier process left onto the disk, as a new file. No connection is open.

    That process may have failed to flush the log. Then it is read from the operating system's cache, which calls it
    clean, and no flush would write it: merged into the database as it is, it could leave half of a commit there when
    the power fails, and no log to finish it from.
    """
    log = log_of(path)
    if has_log(path):
        write_file(log, _slices(log))


def renew_log_in_place(path: Path) -> None:
    """The same where connections are open, or no space is left: each byte is written over itself.

    A power loss meanwhile may damage the sector that is being written.
    """
    log = log_of(path)
    if has_log(path):
        rewrite_file(log, _slices(log))


def check_log(path: Path, connection: apsw.Connection) -> None:
    """Raises `DataDamaged` when the log of the database at `path` holds acknowledged commits that SQLite cannot see.

    `connection` is a new one, through which nothing was written yet.
    """
    log = log_of(path)
    if not has_log(path):
        return
    seen, _ = connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_NOOP)
    page_bytes = int(connection.pragma("page_size"))
    lost = _acknowledged_behind(log, max(seen, 0), page_bytes)
    if lost is not None:
        raise DataDamaged(
            f"{log} is damaged before byte {lost.offset}: commits behind it would be lost; restore it from a backup."
        )


def _slices(log: Path) -> Iterator[bytes]:
    for offset in range(0, file_bytes(log), _SLICE_BYTES):
        yield read_record(log, _SLICE_BYTES, offset)


def _acknowledged_behind(log: Path, seen: int, page_bytes: int) -> _Frame | None:
    """A commit behind the `seen` first frames that a later frame of the same log continues, or None."""
    frames = list(_frames(log, page_bytes))
    if len(frames) < seen + 2:
        return None
    salts = _salts(log) or frames[0].salts
    for number, (commit, following) in enumerate(pairwise(frames[seen:]), seen):
        if not commit.pages or following.salts != salts:
            continue
        before = frames[number - 1].checksum if number else None
        if _continues(log, page_bytes, before, commit, following):
            return commit
    return None


def _frames(log: Path, page_bytes: int) -> Iterator[_Frame]:
    size = file_bytes(log)
    step = _FRAME.size + page_bytes
    for offset in range(_HEADER.size, size - step + 1, step):
        _, pages, *salts_and_checksum = _FRAME.unpack(read_record(log, _FRAME.size, offset))
        salt_1, salt_2, checksum_1, checksum_2 = salts_and_checksum
        yield _Frame(offset, pages, (salt_1, salt_2), (checksum_1, checksum_2))


def _salts(log: Path) -> tuple[int, int] | None:
    """The salts of the log's header, or None when its own checksum does not hold."""
    header = read_record(log, _HEADER.size, 0)
    _, _, _, _, salt_1, salt_2, checksum_1, checksum_2 = _HEADER.unpack(header)
    computed = (_checksum((0, 0), header[: _HEADER.size - _CHECKED_BYTES], order) for order in "<>")
    return (salt_1, salt_2) if (checksum_1, checksum_2) in computed else None


def _continues(log: Path, page_bytes: int, before: Checksum | None, commit: _Frame, following: _Frame) -> bool:
    """Whether `following` was written after `commit`, although one of the checksums around them may be damaged."""
    content = _content(log, page_bytes, following)
    for order in "<>":
        seeds = [commit.checksum]
        if before is not None:
            seeds.append(_checksum(before, _content(log, page_bytes, commit), order))
        if any(_checksum(seed, content, order) == following.checksum for seed in seeds):
            return True
    return False


def _content(log: Path, page_bytes: int, frame: _Frame) -> bytes:
    """What a frame's checksum is of: the first two fields of its header, and the page."""
    read = read_record(log, _FRAME.size + page_bytes, frame.offset)
    return read[:_CHECKED_BYTES] + read[_FRAME.size :]


def _checksum(seed: Checksum, content: bytes, order: str) -> Checksum:
    """The running checksum of section 4.2; the log's header says in which order bytes are read."""
    first, second = seed
    words = struct.unpack(f"{order}{len(content) // 4}I", content)
    for one, other in zip(words[::2], words[1::2], strict=True):
        first = (first + one + second) & _MASK
        second = (second + other + first) & _MASK
    return first, second
