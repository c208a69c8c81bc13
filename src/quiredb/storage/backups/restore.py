"""From a backup to a data folder: built beside its place, proved, and put there by one rename."""

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import orjson

from quiredb.domain.errors import DataDamaged, FormatUnsupported, NotFound, StorageFull
from quiredb.storage.backups.folder import BackupFolder, StoredBackup
from quiredb.storage.backups.manifest import Manifest, StoredFile, StoredLibrary
from quiredb.storage.connections import WriteConnection
from quiredb.storage.database import fetch, open_database
from quiredb.storage.files import make_folder, remove_folder, rename_file, write_file
from quiredb.storage.folder import CATALOGUE_NAME, FORMAT_VERSION, LIBRARIES_NAME, LOCK_NAME, MARKER_NAME
from quiredb.storage.library_store import DATABASE_NAME, LibraryStore
from quiredb.storage.lock import FolderLock
from quiredb.storage.machine import disk_space
from quiredb.storage.segments import SEGMENTS_NAME

_SPACE_KEPT_BYTES = 64 * 1024 * 1024


def restore_backup(
    folder: BackupFolder,
    backup: StoredBackup,
    target: Path,
    told: Callable[[int], None],
    library_id: str | None = None,
    *,
    with_keys: bool = True,
) -> tuple[StoredLibrary, ...]:
    """Make the data folder `target`, which must not be there or be empty; returns the libraries in it.

    All files are given names that follow from what they are, so nothing is written outside `target` and a folder
    beside it, `.NAME.restoring`; that one is given its place when every library has the digest that the manifest
    states. A restore that was killed leaves only the folder beside; the next one removes it. `told` hears the bytes
    of each block. Without keys, the API keys of the backup are left out.

    Raises:
        NotFound: the backup does not hold the library asked for.
        FormatUnsupported: a newer program wrote it, or `target` holds something.
        DataDamaged: anything in the backup is not as it was written.
        StorageFull: there is not enough space.
    """
    manifest = backup.manifest
    if manifest.data_format > FORMAT_VERSION:
        raise FormatUnsupported(
            f"The backup is of format {manifest.data_format}, this program knows {FORMAT_VERSION}: upgrade Quire."
        )
    libraries = _wanted(manifest, library_id)
    _check_target(target)
    _check_space(target, manifest, libraries)
    building = _beside(target)
    lock = _begin(building)
    try:
        _write_files(folder, manifest, libraries, building, told)
        _keep_entries(building / CATALOGUE_NAME, libraries, with_keys=with_keys)
        for library in libraries:
            _prove(building, library)
        _check_target(target)
        rename_file(building, target)
    except BaseException:
        if building.is_dir():
            remove_folder(building)
        raise
    finally:
        lock.release()
    return libraries


def _beside(target: Path) -> Path:
    return target.with_name(f".{target.name}.restoring")


def _wanted(manifest: Manifest, library_id: str | None) -> tuple[StoredLibrary, ...]:
    if library_id is None:
        return manifest.libraries
    library = manifest.library(library_id)
    if library is None:
        raise NotFound("library in this backup", library_id)
    return (library,)


def _check_target(target: Path) -> None:
    if os.path.lexists(target) and (target.is_symlink() or not target.is_dir() or any(target.iterdir())):
        raise FormatUnsupported(f"{target} is not an empty folder; a backup is restored into a new one.")


def _check_space(target: Path, manifest: Manifest, libraries: tuple[StoredLibrary, ...]) -> None:
    needed = manifest.catalogue.bytes + sum(library.bytes for library in libraries)
    existing = next(parent for parent in target.absolute().parents if parent.is_dir())
    free = disk_space(existing).free
    if free < needed + _SPACE_KEPT_BYTES:
        raise StorageFull(
            f"The backup has {needed:,} bytes and {existing} has {free:,} free; free some or choose another."
        )


def _begin(building: Path) -> FolderLock:
    """An empty folder, locked; what an earlier restore left there is removed, unless it is still at work."""
    if os.path.lexists(building):
        if building.is_symlink() or not building.is_dir():
            raise FormatUnsupported(f"{building} is in the way; remove it.")
        FolderLock(building / LOCK_NAME).release()
        remove_folder(building)
    make_folder(building)
    return FolderLock(building / LOCK_NAME)


def _write_files(
    folder: BackupFolder,
    manifest: Manifest,
    libraries: tuple[StoredLibrary, ...],
    building: Path,
    told: Callable[[int], None],
) -> None:
    def write(path: Path, file: StoredFile) -> None:
        write_file(path, _told_of(folder.read(file), told))

    write(building / CATALOGUE_NAME, manifest.catalogue)
    for library in libraries:
        home = building / LIBRARIES_NAME / library.key
        make_folder(home / SEGMENTS_NAME)
        write(home / DATABASE_NAME, library.record)
        for segment in library.segments:
            write(home / SEGMENTS_NAME / segment.name, segment.file)
    make_folder(building / LIBRARIES_NAME)
    write_file(building / MARKER_NAME, [orjson.dumps({"format": manifest.data_format})])


def _told_of(blocks: Iterator[bytes], told: Callable[[int], None]) -> Iterator[bytes]:
    for block in blocks:
        yield block
        told(len(block))


def _keep_entries(catalogue: Path, libraries: tuple[StoredLibrary, ...], *, with_keys: bool) -> None:
    """Let the catalogue list the restored libraries and no other; it must have listed them before."""
    connection = WriteConnection(catalogue, open_database(catalogue))
    with closing(connection), connection.transaction() as cursor:
        listed: dict[str, str] = dict(fetch(cursor, "SELECT id, key FROM libraries"))
        kept = {library.id: library.key for library in libraries}
        if not kept.items() <= listed.items():
            raise DataDamaged("The backup's catalogue does not list the libraries of its manifest.")
        for library_id in listed.keys() - kept.keys():
            cursor.execute("DELETE FROM libraries WHERE id = ?", (library_id,))
            cursor.execute("DELETE FROM creations WHERE library = ?", (library_id,))
        tables = {name for (name,) in fetch(cursor, "SELECT name FROM sqlite_schema WHERE type = 'table'")}
        if not with_keys and "api_keys" in tables:
            cursor.execute("DELETE FROM api_keys")
        if not with_keys and "keys" in tables:
            cursor.execute("DELETE FROM keys")


def _prove(building: Path, library: StoredLibrary) -> None:
    """The library opens, is at its position, counts what it should, and has its digest."""
    store = LibraryStore.open(building / LIBRARIES_NAME / library.key)
    with closing(store):
        facts = store.library()
        found = (facts.id, facts.position, facts.document_count, facts.chunk_count, store.digest(facts.position))
    stated = (library.id, library.position, library.documents, library.chunks, library.digest)
    if found != stated:
        raise DataDamaged(f"The library {library.id!r} of the backup is not in the state that its manifest names.")
