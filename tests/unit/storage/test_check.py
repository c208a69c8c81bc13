"""Each kind of damage is planted; the check must name it, and must find nothing in a sound folder."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import apsw
import numpy as np
import pytest

from quiredb.domain.commands import DeleteChunk
from quiredb.domain.errors import FolderInUse, FormatUnsupported
from quiredb.storage.check import Severity, check_folder
from quiredb.storage.folder import DataFolder
from quiredb.storage.library_store import LibraryStore, SegmentRecord
from quiredb.storage.segment_file import write_segment
from tests.unit.storage.building import create_command, fill, put, write

KEY = "0123456789abcdef"
Plant: TypeAlias = Callable[[Path], None]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with one library: 300 chunks, some of them dead, and two segments."""
    folder = DataFolder.open(tmp_path)
    store = LibraryStore.create(folder.library_folder(KEY), create_command())
    folder.catalogue.add("library", KEY, None)
    ids = fill(store, 300)
    for name, low, high in (("one", 0, 100), ("two", 100, 200)):
        size = write_segment(store.segment_path(name), {}, {"rows": np.arange(low, high)})
        store.swap_segments([], [SegmentRecord(name, low, high, 1, high - low, "flat", size)])
    write(store, *(DeleteChunk(chunk_id) for chunk_id in ids[:20]))
    store.close()
    folder.close()
    return tmp_path


def library_file(data: Path) -> Path:
    return data / "libraries" / KEY / "library.sqlite"


def sql(statement: str) -> Plant:
    def plant(data: Path) -> None:
        connection = apsw.Connection(str(library_file(data)), vfs="cksmvfs")
        connection.execute(statement)
        connection.close()

    return plant


def test_a_sound_folder_has_no_findings(data: Path) -> None:
    told: list[str] = []
    assert check_folder(data, told.append) == []
    assert told == ["catalogue", "library library"]
    folder = DataFolder.open(data)
    store = LibraryStore.open(folder.library_folder(KEY))
    while store.purge(2, 100):
        pass
    while store.release_pages(100):
        pass
    store.close()
    folder.close()
    assert check_folder(data) == []


@pytest.mark.parametrize(
    ("plant", "said"),
    [
        (
            sql("UPDATE embeddings SET vector = CAST(x'0000c07f' || substr(vector, 5) AS BLOB) WHERE row = 50"),
            "NaN or infinity",
        ),
        (sql("UPDATE embeddings SET vector = substr(vector, 5) WHERE row = 50"), "wrong length"),
        (sql("DELETE FROM embeddings WHERE row = 50"), "embedding is missing"),
        (sql("DELETE FROM texts WHERE row = 50"), "text is missing"),
        (sql("UPDATE chunks SET metadata = x'7b' WHERE row = 50"), "metadata cannot be read"),
        (sql("UPDATE chunks SET metadata = CAST('{\"other\":1}' AS BLOB) WHERE row = 50"), "metadata cannot be read"),
        (sql("UPDATE documents SET metadata = x'5b5d' WHERE died IS NULL"), "metadata cannot be read"),
        (sql("UPDATE chunks SET born = 9 WHERE row = 50"), "Born at 9"),
        (sql("UPDATE chunks SET died = 1 WHERE row = 1"), "died at 1"),
        (sql("UPDATE documents SET born = 9 WHERE died IS NULL"), "Born at 9"),
        (sql("UPDATE chunks SET place = -1 WHERE row = 50"), "position -1"),
        (sql("UPDATE chunks SET id = 'same' WHERE row IN (50, 51)"), "'same' lives 2 times"),
        (sql("UPDATE documents SET id = 'same' WHERE died IS NULL"), "document 'same' lives"),
        (sql("UPDATE documents SET chunk_count = 7 WHERE died IS NULL"), "records 7 chunks"),
        (sql("DELETE FROM chunks WHERE row = 50"), "280 chunks are recorded"),
        (sql("DELETE FROM chunks WHERE row = 50"), "an embedding but no chunk"),
        (sql("DELETE FROM documents WHERE died IS NULL"), "has no document"),
        (sql("DELETE FROM graves WHERE row = 5"), "Row 5 died after its segment"),
        (sql("UPDATE segments SET position = 9 WHERE name = 'one'"), "ahead of the library"),
        (sql("UPDATE segments SET high_row = 150 WHERE name = 'one'"), "share rows"),
        (sql("UPDATE segments SET high_row = 999 WHERE name = 'two'"), "claims the rows 100 to 999"),
        (sql("UPDATE state SET library = CAST(replace(library, '\"library\"', '\"swapped\"') AS BLOB)"), "swapped"),
    ],
)
def test_rows_that_cannot_be_are_named(data: Path, plant: Plant, said: str) -> None:
    plant(data)
    findings = check_folder(data)
    assert any(said in finding.what and finding.severity is Severity.ERROR for finding in findings), findings


def test_every_page_is_verified_also_free_ones(data: Path) -> None:
    sql("DELETE FROM embeddings")(data)
    path = library_file(data)
    sound = path.read_bytes()
    chance = random.Random(3)
    for page in range(len(sound) // 16_384):
        damaged = bytearray(sound)
        damaged[page * 16_384 + chance.randrange(100, 16_384)] ^= 1 << chance.randrange(8)
        path.write_bytes(damaged)
        findings = [finding for finding in check_folder(data) if finding.where == str(path)]
        assert any(f"Page {page + 1} " in finding.what or page == 0 for finding in findings), page
        path.write_bytes(sound)


def test_a_damaged_catalogue_is_named(data: Path) -> None:
    path = data / "catalogue.sqlite"
    content = bytearray(path.read_bytes())
    content[16_384 + 9_000] ^= 1
    path.write_bytes(content)
    assert [finding.where for finding in check_folder(data)] == [str(path)]


def test_segments_are_only_warnings_because_they_can_be_built_again(data: Path) -> None:
    folder = library_file(data).parent / "segments"
    content = bytearray((folder / "one").read_bytes())
    content[-70] ^= 1
    (folder / "one").write_bytes(content)
    (folder / "two").unlink()
    (folder / "three").write_bytes(b"")
    findings = check_folder(data)
    assert {finding.severity for finding in findings} == {Severity.WARNING}
    assert [finding.where.split()[-1] for finding in findings] == ["one", "two", "library"]
    assert "'rows'" in findings[0].what
    assert "three" in findings[2].what


def test_missing_and_unlisted_library_folders_are_named(data: Path) -> None:
    (data / "libraries" / KEY).rename(data / "libraries" / "fedcba9876543210")
    findings = check_folder(data)
    assert [finding.severity for finding in findings] == [Severity.ERROR, Severity.WARNING]
    assert "missing" in findings[0].what


def test_a_folder_in_use_or_not_ours_is_not_checked(data: Path, tmp_path: Path) -> None:
    folder = DataFolder.open(data)
    with pytest.raises(FolderInUse):
        check_folder(data)
    folder.close()
    for path in (tmp_path / "nowhere", tmp_path / "libraries"):
        with pytest.raises(FormatUnsupported):
            check_folder(path)
    assert not (tmp_path / "nowhere").exists()


def test_the_check_reads_what_only_the_log_holds(data: Path) -> None:
    folder = DataFolder.open(data)
    store = LibraryStore.open(folder.library_folder(KEY))
    write(store, put("late"))
    folder.close()
    assert check_folder(data) == []
    store.close()
