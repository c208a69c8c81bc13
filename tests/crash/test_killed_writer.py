"""A writing process is killed at random moments; what it acknowledged must be there, whole, and nothing else."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from quiredb.storage.check import check_folder
from quiredb.storage.folder import DataFolder
from quiredb.storage.library_store import LibraryStore
from tests.unit.storage.building import create_command

KEY = "0123456789abcdef"
BATCH = 5
ROOT = Path(__file__).resolve().parents[2]

# The batch at position p puts the chunks p-0 to p-4 and deletes those of p - 3; p is printed when it is acknowledged.
WRITER = """
import sys
from pathlib import Path
from quiredb.domain.commands import DeleteChunk
from quiredb.storage.folder import DataFolder
from quiredb.storage.library_store import LibraryStore
from tests.crash.test_killed_writer import BATCH, KEY
from tests.unit.storage.building import put, write

folder = DataFolder.open(Path(sys.argv[1]))
store = LibraryStore.open(folder.library_folder(KEY))
store.remove_unlisted_segments()
while True:
    position = store.library().position + 1
    puts = [put(f"{position}-{number}", f"d{position % 3}", text=f"text {position} " * 200) for number in range(BATCH)]
    deletes = [DeleteChunk(f"{position - 3}-{number}") for number in range(BATCH)] if position > 3 else []
    assert write(store, *puts, *deletes).position == position
    print(position, flush=True)
    if position % 7 == 0:
        store.purge(position, 12)
        store.repack(50)
        store.release_pages(4)
"""


def killed_after(path: Path, acknowledgements: int, extra_seconds: float) -> int:
    """Run the writer, kill it a moment after so many acknowledgements; returns the last acknowledged position."""
    command = [sys.executable, "-c", WRITER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as writer:
        assert writer.stdout is not None
        last = ""
        for _ in range(acknowledgements):
            last = writer.stdout.readline()
        try:
            writer.wait(extra_seconds)
        except subprocess.TimeoutExpired:
            writer.kill()
        rest = writer.stdout.read().splitlines()
        return int(rest[-1] if rest else last)


def assert_whole(path: Path, acknowledged: int) -> None:
    assert check_folder(path) == []
    folder = DataFolder.open(path)
    store = LibraryStore.open(folder.library_folder(KEY))
    library = store.library()
    assert library.position in {acknowledged, acknowledged + 1}
    position = library.position
    for born in range(max(1, position - 6), position + 2):
        alive = position - 3 < born <= position
        for number in range(BATCH):
            chunk = store.chunk(f"{born}-{number}", position)
            assert (chunk is not None) == alive
            assert chunk is None or chunk.text == f"text {born} " * 200
    assert library.chunk_count == BATCH * min(position, 3)
    store.close()
    folder.close()


def kill_repeatedly(path: Path, rounds: int, seed: int) -> None:
    folder = DataFolder.open(path)
    LibraryStore.create(folder.library_folder(KEY), create_command()).close()
    folder.catalogue.add("library", KEY, None)
    folder.close()
    chance = random.Random(seed)
    for _ in range(rounds):
        acknowledged = killed_after(path, chance.randrange(1, 40), chance.random() * 0.02)
        assert_whole(path, acknowledged)


def test_a_killed_writer_loses_nothing_that_it_acknowledged(tmp_path: Path) -> None:
    kill_repeatedly(tmp_path, rounds=10, seed=1)


@pytest.mark.deep
@pytest.mark.timeout(1_200)
def test_a_writer_killed_two_hundred_times_loses_nothing(tmp_path: Path) -> None:
    kill_repeatedly(tmp_path, rounds=200, seed=2)
