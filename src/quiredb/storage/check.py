"""Checking a whole data folder: every page, every row, every segment; it says exactly what is wrong."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

from quiredb.domain.errors import FormatUnsupported, StorageFailed
from quiredb.storage.catalogue import Catalogue
from quiredb.storage.check_library import check_database, check_library
from quiredb.storage.files import folder_names, is_file, is_folder
from quiredb.storage.findings import Finding, Severity
from quiredb.storage.folder import CATALOGUE_NAME, LIBRARIES_NAME, LOCK_NAME, MARKER_NAME, check_marker
from quiredb.storage.lock import FolderLock

__all__ = ["Finding", "Progress", "Severity", "check_folder"]

Progress: TypeAlias = Callable[[str], None]
"""Told what is being checked now."""


def check_folder(path: Path, progress: Progress | None = None) -> list[Finding]:
    """All that is wrong with a data folder, nothing when all is well.

    Raises `FolderInUse` while a process has the folder and `FormatUnsupported` when it is newer or not Quire's.
    Reads every byte, rows and pages in batches.
    """
    check_marker(path)
    if not is_file(path / MARKER_NAME):
        raise FormatUnsupported(f"There is no data folder at {path}.")
    lock = FolderLock(path / LOCK_NAME)
    try:
        return list(_check(path, progress or _silent))
    finally:
        lock.release()


def _check(path: Path, progress: Progress) -> Iterator[Finding]:
    progress("catalogue")
    damaged = list(check_database(path / CATALOGUE_NAME, is_shared=True))
    yield from damaged
    if damaged:
        return
    catalogue = Catalogue.open(path / CATALOGUE_NAME)
    entries = catalogue.entries()
    catalogue.close()
    for library_id, key in entries.items():
        progress(f"library {library_id}")
        try:
            yield from check_library(path / LIBRARIES_NAME / key, library_id)
        except StorageFailed as error:
            yield Finding(Severity.ERROR, f"library {library_id}", error.detail)
    listed = set(entries.values())
    libraries = path / LIBRARIES_NAME
    for name in folder_names(libraries):
        folder = libraries / name
        if name not in listed and is_folder(folder):
            yield Finding(Severity.WARNING, str(folder), "The catalogue does not list this library folder.")


def _silent(_: str) -> None:
    """Nobody watches."""
