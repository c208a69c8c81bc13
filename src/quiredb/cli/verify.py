"""`quire verify`: read every byte of a backup."""

from pathlib import Path

import click

from quiredb.cli.backup import described, print_libraries
from quiredb.cli.backup_options import backup_arguments, backup_failures, chosen, key_file_option
from quiredb.cli.exit_codes import ExitCode
from quiredb.cli.output import bytes_in_words, json_option, print_json, wants_json
from quiredb.cli.progress import progress_bar, summed


@click.command()
@backup_arguments
@key_file_option
@json_option
def verify(folder: Path, backup_id: str | None, key_file: Path | None) -> int:
    """Hold every byte of a backup in the folder DIR against its digest, without restoring it."""
    with backup_failures():
        opened, backup = chosen(folder, key_file, backup_id)
        blocks = backup.manifest.blocks()
        damaged: list[str] = []
        with progress_bar("verifying", sum(blocks.values())) as advance_to:
            told = summed(advance_to)
            for digest, size in sorted(blocks.items()):
                damaged += opened.complaints(digest, size)
                told(size)
    if wants_json():
        print_json({**described(backup), "verified_bytes": sum(blocks.values()), "damaged": damaged})
    else:
        print_libraries(backup.manifest)
        for complaint in damaged:
            click.echo(complaint, err=True)
        click.echo(
            f"Backup {backup.id}: {len(blocks):,} blocks ({bytes_in_words(sum(blocks.values()))}) read, "
            f"{len(damaged):,} damaged."
        )
    return ExitCode.DAMAGED_DATA if damaged else ExitCode.OK
