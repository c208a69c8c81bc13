"""Flipped bits are read as data when nobody looks at checksums, and only then."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from quiredb.domain.errors import DataDamaged
from quiredb.storage.library_store import LibraryStore
from reliability.planted import plant
from tests.unit.storage.building import create_command, put, write

TEXT = "what was written " * 2_000


def read_after_flips(folder: Path, bug: str | None) -> str:
    """What a reader is told of a chunk in whose text a bit was flipped: `same`, `different` or `refused`."""
    if bug is not None:
        plant(bug)
    store = LibraryStore.create(folder, create_command())
    write(store, put("a", text=TEXT))
    store.close()
    path = folder / "library.sqlite"
    content = bytearray(path.read_bytes())
    content[content.rindex(b"what was written")] ^= 1
    path.write_bytes(content)
    store = LibraryStore.open(folder)
    try:
        chunk = store.chunk("a", 1)
        return "same" if chunk is not None and chunk.text == TEXT else "different"
    except DataDamaged:
        return "refused"
    finally:
        store.close()


def test_a_flipped_bit_is_refused(tmp_path: Path) -> None:
    assert read_after_flips(tmp_path / "library", None) == "refused"


def test_ignored_checksums_would_be_seen(tmp_path: Path) -> None:
    """In a process of its own, which ends with its bug."""
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        assert (
            process.submit(read_after_flips, tmp_path / "library", "storage.skip_page_checksums").result()
            == "different"
        )
