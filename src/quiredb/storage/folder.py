"""The data folder: a marker with the format, a lock, the catalogue, and one folder for each library."""

import re
from pathlib import Path

import orjson

from quiredb.domain.errors import DataDamaged, FormatUnsupported, NotFound
from quiredb.storage.catalogue import Catalogue
from quiredb.storage.files import (
    TEMPORARY_SUFFIX,
    file_bytes,
    folder_names,
    is_file,
    is_folder,
    make_folder,
    read_file,
    remove_folder,
    write_file,
)
from quiredb.storage.lock import FolderLock
from quiredb.storage.machine import disk_space
from quiredb.storage.orphans import is_remnant

FORMAT_VERSION = 2
"""2: keys have roles, which programs of format 1 would not heed."""
CATALOGUE_NAME = "catalogue.sqlite"
MARKER_NAME = "quire.json"
LOCK_NAME = "quire.lock"
LIBRARIES_NAME = "libraries"
LIBRARY_KEY = re.compile(r"[0-9a-f]{8,64}")
_NOT_FOREIGN = {"lost+found", LOCK_NAME, MARKER_NAME + TEMPORARY_SUFFIX}


class DataFolder:
    """An open data folder; this process holds its lock. `secret` is 32 random bytes that stay the same for ever."""

    def __init__(self, path: Path, lock: FolderLock, catalogue: Catalogue) -> None:
        self.path = path
        self.catalogue = catalogue
        self.secret = catalogue.secret()
        self._lock = lock

    @classmethod
    def open(cls, path: Path) -> "DataFolder":
        """Open the folder, or make it where nothing is.

        Before anything is changed: `FolderInUse` while another process has it, `FormatUnsupported` when it is newer or
        not Quire's.
        """
        check_marker(path)
        make_folder(path)
        lock = FolderLock(path / LOCK_NAME)
        try:
            return cls(path, lock, _open_catalogue(path))
        except BaseException:
            lock.release()
            raise

    def library_folder(self, key: str) -> Path:
        """Where the library with this key is. Keys are hex digits made by Quire, never a caller's words."""
        if LIBRARY_KEY.fullmatch(key) is None:
            raise NotFound("library folder", key)
        return self.path / LIBRARIES_NAME / key

    def remove_orphans(self) -> list[Path]:
        """Remove library folders that the catalogue does not list: half-made or half-removed before a crash.

        Not while a library is being created: it is a folder first and an entry afterwards. Returns those that stay,
        because a library is in them that nobody deleted.
        """
        kept = []
        listed = set(self.catalogue.entries().values())
        libraries = self.path / LIBRARIES_NAME
        for name in folder_names(libraries):
            folder = libraries / name
            if name in listed or LIBRARY_KEY.fullmatch(name) is None or not is_folder(folder):
                continue
            if is_remnant(folder, self.catalogue.first_position):
                remove_folder(folder)
            else:
                kept.append(folder)
        return kept

    def remove_library(self, key: str) -> None:
        """Remove the folder of a library that was deleted."""
        folder = self.library_folder(key)
        if is_folder(folder):
            remove_folder(folder)

    def free_bytes(self) -> int:
        """Bytes that are left on the disk that holds the folder."""
        return disk_space(self.path).free

    def close(self) -> None:
        """Close the catalogue and give the folder free."""
        try:
            self.catalogue.close()
        finally:
            self._lock.release()


def check_marker(path: Path) -> None:
    """Refuse, by reading only, a folder that is not Quire's or was written by a newer program."""
    marker = path / MARKER_NAME
    if is_file(path):
        raise FormatUnsupported(f"{path} is not a folder.")
    if not is_file(marker):
        if is_folder(path) and any(map(_is_foreign, folder_names(path))):
            raise FormatUnsupported(f"{path} holds other files and no {MARKER_NAME}; choose an empty or new folder.")
        return
    version = _format_of(marker)
    if not isinstance(version, int) or version > FORMAT_VERSION:
        raise FormatUnsupported(f"{path} has format {version}, this program knows {FORMAT_VERSION}: upgrade Quire.")


def raise_format(path: Path) -> None:
    """Mark the folder as one of this program's format, which older programs refuse. Before anything new is written."""
    if _format_of(path / MARKER_NAME) != FORMAT_VERSION:
        write_file(path / MARKER_NAME, [_marker()])


def _format_of(marker: Path) -> object:
    content = read_file(marker)
    try:
        return orjson.loads(content)["format"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise DataDamaged(f"{marker} is damaged; write {_marker().decode()!r} into it.") from None


def _open_catalogue(path: Path) -> Catalogue:
    catalogue = path / CATALOGUE_NAME
    libraries = path / LIBRARIES_NAME
    if not is_file(path / MARKER_NAME):
        write_file(path / MARKER_NAME, [_marker()])
    make_folder(libraries)
    if file_bytes(catalogue):
        return Catalogue.open(catalogue)
    if folder_names(libraries):
        raise DataDamaged(f"{catalogue} is missing but there are libraries; restore the folder from a backup.")
    return Catalogue.create(catalogue)


def _marker() -> bytes:
    return orjson.dumps({"format": FORMAT_VERSION})


def _is_foreign(name: str) -> bool:
    return not name.startswith(".") and name not in _NOT_FOREIGN
