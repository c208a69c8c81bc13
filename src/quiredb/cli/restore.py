"""`quire restore`: make a data folder from a backup."""

from pathlib import Path
from time import monotonic

import click

from quiredb.cli.backup_options import backup_arguments, backup_failures, chosen, key_file_option
from quiredb.cli.output import json_option, print_json, wants_json
from quiredb.cli.progress import progress_bar, summed
from quiredb.storage.backups.folder import BackupFolder, StoredBackup
from quiredb.storage.backups.manifest import StoredLibrary
from quiredb.storage.backups.restore import restore_backup


@click.command()
@backup_arguments
@click.option("--to", "target", required=True, type=click.Path(path_type=Path), metavar="NEWDIR", help="A new folder.")
@click.option("--library", "library_id", metavar="ID", help="Only this library.")
@click.option("--without-keys", is_flag=True, help="Leave the API keys out: some may have been revoked since.")
@key_file_option
@json_option
def restore(
    *,
    folder: Path,
    backup_id: str | None,
    target: Path,
    library_id: str | None,
    without_keys: bool,
    key_file: Path | None,
) -> None:
    """Make the data folder NEWDIR from a backup in the folder DIR, and prove that it is what was backed up.

    NEWDIR appears complete or not at all.
    """
    started = monotonic()
    with backup_failures():
        opened, backup = chosen(folder, key_file, backup_id)
        libraries = restored(opened, backup, target, library_id, with_keys=not without_keys)
    seconds = monotonic() - started
    if wants_json():
        names = [library.id for library in libraries]
        print_json({"backup": backup.id, "folder": str(target), "libraries": names, "seconds": round(seconds, 3)})
        return
    chunks = sum(library.chunks for library in libraries)
    click.echo(
        f"Restored {len(libraries):,} libraries with {chunks:,} chunks of the backup {backup.id} to {target} "
        f"in {seconds:.1f} s; every digest is right. `quire serve --data {target}` serves them."
    )


def restored(
    opened: BackupFolder, backup: StoredBackup, target: Path, library_id: str | None, *, with_keys: bool = True
) -> tuple[StoredLibrary, ...]:
    """Restore with a bar for the bytes."""
    with progress_bar("restoring", backup.manifest.bytes if library_id is None else None) as advance_to:
        return restore_backup(opened, backup, target, summed(advance_to), library_id, with_keys=with_keys)
