"""A damaged write-ahead log is told from an unfinished one."""

from __future__ import annotations

from pathlib import Path

import pytest

from quiredb.domain.errors import DataDamaged, StorageFull
from quiredb.storage.database import PAGE_BYTES
from quiredb.storage.library_store import DATABASE_NAME, LibraryStore
from reliability.disk.journal import Way
from reliability.disk.medium import Flushed, FlushedNames, Named, Wrote
from reliability.disk.simulated_disk import simulated
from tests.unit.storage.building import create_command, put, write

LOG_HEADER, FRAME_HEADER = 32, 24


def crashed(path: Path, commits: int = 3) -> Path:
    """A library as a killed process leaves it, with commits in its log; the log."""
    store = LibraryStore.create(path / "open", create_command())
    store.checkpoint()
    for number in range(commits):
        write(store, put(f"c{number}"))
    (path / "crashed").mkdir()
    for name in (DATABASE_NAME, f"{DATABASE_NAME}-wal"):
        (path / "crashed" / name).write_bytes((path / "open" / name).read_bytes())
    store.close()
    return path / "crashed" / f"{DATABASE_NAME}-wal"


def frames(log: Path) -> list[tuple[int, bool]]:
    """Where each frame begins, and whether it ends a commit."""
    content = log.read_bytes()
    offsets = range(LOG_HEADER, len(content), FRAME_HEADER + PAGE_BYTES)
    return [(offset, any(content[offset + 4 : offset + 8])) for offset in offsets]


def flip(log: Path, offset: int) -> None:
    content = bytearray(log.read_bytes())
    content[offset] ^= 1
    log.write_bytes(content)


def chunk_count(log: Path) -> int:
    store = LibraryStore.open(log.parent)
    try:
        return store.library().chunk_count
    finally:
        store.close()


def test_what_is_merged_at_opening_is_on_the_disk_whenever_the_power_goes(tmp_path: Path) -> None:
    """Before a byte of the database changes, the log that an earlier process left was written and flushed again."""
    log = crashed(tmp_path)
    with simulated(tmp_path, {"crashed/library.sqlite": 1, "crashed/library.sqlite-wal": 2}) as journal:
        LibraryStore.open(log.parent).close()
    written = [step for step in journal.steps if isinstance(step, Wrote)]
    first = next(place for place, step in enumerate(journal.steps) if isinstance(step, Wrote) and step.file == 1)
    copy = next(step.file for step in written if step.file not in {1, 2})
    before = journal.steps[:first]
    assert before.index(Flushed(copy)) < before.index(
        Named("crashed", (("library.sqlite-wal.tmp", None), ("library.sqlite-wal", copy)))
    )
    assert FlushedNames("crashed") in before


def test_without_space_for_a_copy_the_log_is_read_and_taken_over_later(tmp_path: Path) -> None:
    log = crashed(tmp_path)
    content = log.read_bytes()
    with simulated(tmp_path, {"crashed/library.sqlite": 1, "crashed/library.sqlite-wal": 2}) as journal:
        refuse = journal.call
        journal.call = lambda kind, path: Way.FULL if kind in {"create", "write"} else refuse(kind, path)  # type: ignore[method-assign]
        store = LibraryStore.open(log.parent)
        assert store.library().chunk_count == 3
        with pytest.raises(StorageFull):
            write(store, put("c3"))
        assert [step for step in journal.steps if isinstance(step, Wrote)] == []
        journal.call = refuse  # type: ignore[method-assign]
        write(store, put("c3"))
        again = [step for step in journal.steps if isinstance(step, Wrote)]
        assert again[0] == Wrote(2, 0, content[: len(again[0].content)]), "the log is written over itself first"
        store.close()
    assert chunk_count(log) == 4


def test_a_whole_log_is_read_to_its_end(tmp_path: Path) -> None:
    assert chunk_count(crashed(tmp_path)) == 3


@pytest.mark.parametrize("place", [0, 5, 9, 17, 21, 30, 9_000])
def test_damage_before_the_last_commit_is_refused_and_nothing_is_changed(tmp_path: Path, place: int) -> None:
    log = crashed(tmp_path)
    flip(log, frames(log)[1][0] + place)
    before = log.read_bytes()
    with pytest.raises(DataDamaged, match="commits behind it"):
        chunk_count(log)
    assert log.read_bytes() == before


@pytest.mark.parametrize("place", [9, 17, 21, 9_000])
def test_damage_of_a_frame_that_ends_a_commit_is_refused(tmp_path: Path, place: int) -> None:
    log = crashed(tmp_path)
    commits = [offset for offset, ends in frames(log) if ends]
    flip(log, commits[-2] + place)
    with pytest.raises(DataDamaged, match="commits behind it"):
        chunk_count(log)


def test_a_damaged_header_is_refused(tmp_path: Path) -> None:
    log = crashed(tmp_path)
    flip(log, 17)
    with pytest.raises(DataDamaged, match="commits behind it"):
        chunk_count(log)


def test_an_unfinished_last_commit_is_dropped(tmp_path: Path) -> None:
    log = crashed(tmp_path)
    flip(log, frames(log)[-1][0] + 9_000)
    assert chunk_count(log) == 2


def test_frames_of_an_earlier_log_are_no_damage(tmp_path: Path) -> None:
    """After it was merged, a log is written again from its beginning, over frames that count no more."""
    store = LibraryStore.create(tmp_path / "open", create_command())
    for number in range(3):
        write(store, put(f"c{number}"))
    with store._writer.plain() as connection:
        connection.wal_checkpoint(mode=1)  # FULL: merged, and left as long as it was
    write(store, put("last"))
    log = tmp_path / "crashed" / f"{DATABASE_NAME}-wal"
    log.parent.mkdir()
    for name in (DATABASE_NAME, log.name):
        (log.parent / name).write_bytes((tmp_path / "open" / name).read_bytes())
    store.close()
    assert len(frames(log)) > 2 * sum(ends for _, ends in frames(log)[:1]) + 2
    assert chunk_count(log) == 4
