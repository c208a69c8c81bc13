"""`quire backup`: back up everything, list and remove backups."""

from collections.abc import Iterable
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from time import monotonic

import click
from quiredb_client import Client
from rich.text import Text

from quiredb.cli.backup_options import backup_failures, key_file_option, secret_of
from quiredb.cli.connection import connected, connection_options, data_option_value
from quiredb.cli.exit_codes import ExitCode
from quiredb.cli.output import bytes_in_words, console, json_option, new_table, print_json, wants_json
from quiredb.cli.progress import progress_bar, summed
from quiredb.domain.limits import BACKUP_BLOCKS_MAX
from quiredb.storage.backups.folder import BackupFolder, StoredBackup, Taken
from quiredb.storage.backups.manifest import Manifest
from quiredb.storage.backups.note import note_backup
from quiredb.storage.backups.source import Part, offline_parts
from quiredb.storage.backups.stream import decode_parts
from quiredb.storage.folder import DataFolder
from quiredb.storage.keys import has_catalogue


@click.group(invoke_without_command=True)
@click.option("--to", "folder", type=click.Path(path_type=Path), metavar="DIR", help="The folder of backups.")
@key_file_option
@connection_options
@json_option
@click.pass_context
def backup(context: click.Context, folder: Path | None, key_file: Path | None) -> int:
    """Back up everything into the folder of backups --to: libraries, catalogue, keys' digests.

    From a running server (--url) while it is written to, or from a data folder that no server uses (--data). Only
    what the folder of backups does not have yet is copied. It is made where nothing is.
    """
    if context.invoked_subcommand is not None:
        return ExitCode.OK
    if folder is None:
        raise click.UsageError("Say where the backup goes with --to DIR.")
    started = monotonic()
    with backup_failures():
        target = BackupFolder.open_or_make(folder, secret_of(key_file))
        data = data_option_value()
        taken = _from_server(target) if data is None else _from_folder(target, data)
    seconds = monotonic() - started
    if wants_json():
        print_json({**described(taken.backup), "new_bytes": taken.new_bytes, "seconds": round(seconds, 3)})
    else:
        _print_taken(taken, folder, seconds)
    return ExitCode.DAMAGED_DATA if taken.backup.manifest.omitted else ExitCode.OK


@backup.command("list")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@key_file_option
@json_option
def list_backups(folder: Path, key_file: Path | None) -> None:
    """List the backups in the folder DIR, the oldest first."""
    with backup_failures():
        found = list(BackupFolder.open(folder, secret_of(key_file)).backups())
    if wants_json():
        print_json([described(one) for one in found])
        return
    table = new_table()
    for name in ("backup", "libraries", "chunks", "bytes"):
        table.add_column(name, no_wrap=True, justify="left" if name == "backup" else "right")
    for one in found:
        libraries = one.manifest.libraries
        chunks = sum(library.chunks for library in libraries)
        table.add_row(one.id, f"{len(libraries):,}", f"{chunks:,}", bytes_in_words(one.manifest.bytes))
    console().print(table)


@backup.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.argument("backup_id", metavar="BACKUP")
@key_file_option
@json_option
def remove(folder: Path, backup_id: str, key_file: Path | None) -> None:
    """Remove BACKUP from the folder DIR, and what no other backup needs."""
    with backup_failures():
        freed = BackupFolder.open(folder, secret_of(key_file)).remove(backup_id)
    if wants_json():
        print_json({"removed": backup_id, "freed_bytes": freed})
    else:
        click.echo(f"Removed the backup {backup_id}; {bytes_in_words(freed)} came free.")


def described(one: StoredBackup) -> dict[str, object]:
    """A backup as JSON: without its thousands of blocks."""
    manifest = one.manifest
    return {
        "id": one.id,
        "made_at": manifest.made_at,
        "program": manifest.program,
        "format": manifest.data_format,
        "bytes": manifest.bytes,
        "libraries": [
            {
                "id": library.id,
                "position": library.position,
                "digest": library.digest,
                "documents": library.documents,
                "chunks": library.chunks,
                "bytes": library.bytes,
            }
            for library in manifest.libraries
        ],
        "omitted": [{"id": library.id, "reason": library.reason} for library in manifest.omitted],
    }


def print_libraries(manifest: Manifest) -> None:
    """A table of what a backup holds."""
    table = new_table()
    table.add_column("library", overflow="fold", ratio=1)
    for name in ("position", "documents", "chunks", "bytes"):
        table.add_column(name, no_wrap=True, justify="right")
    for library in manifest.libraries:
        counts = (library.position, library.documents, library.chunks)
        table.add_row(Text(library.id), *(f"{count:,}" for count in counts), bytes_in_words(library.bytes))
    console().print(table)


def _from_server(target: BackupFolder) -> Taken:
    with connected() as client:
        return _take(target, decode_parts(_stream(client, target.known_blocks())))


def _from_folder(target: BackupFolder, data: Path) -> Taken:
    if not has_catalogue(data):
        raise click.UsageError(f"There is no data folder {str(data)!r}.")
    with closing(DataFolder.open(data)) as folder:
        taken = _take(target, offline_parts(folder, target.known_blocks(), version("quiredb")))
        if not taken.backup.manifest.omitted:
            note_backup(data, taken.backup.manifest.instant)
        return taken


def _take(target: BackupFolder, parts: Iterable[Part]) -> Taken:
    with progress_bar("backing up", None) as advance_to:
        return target.take(parts, summed(advance_to))


def _stream(client: Client, known: frozenset[str]) -> Iterable[bytes]:
    """The server's answer. It takes a bounded list of what is known; blocks beyond it come again."""
    return client.backup_stream(sorted(known)[:BACKUP_BLOCKS_MAX])


def _print_taken(taken: Taken, folder: Path, seconds: float) -> None:
    manifest = taken.backup.manifest
    print_libraries(manifest)
    click.echo(
        f"Backup {taken.backup.id} in {folder}: {bytes_in_words(manifest.bytes)}, of which "
        f"{bytes_in_words(taken.new_bytes)} are new, in {seconds:.1f} s."
    )
    for library in manifest.omitted:
        click.echo(f"NOT in the backup: {library.id}: {library.reason}", err=True)
