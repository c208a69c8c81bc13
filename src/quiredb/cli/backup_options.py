"""What the commands about backups share: the file with the secret, which backup is meant, and how damage is told."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from quiredb.cli.exit_codes import ExitCode
from quiredb.cli.failures import CommandFailed
from quiredb.domain.errors import DataDamaged
from quiredb.storage.backups.folder import BackupFolder, StoredBackup

_Function = TypeVar("_Function", bound=Callable[..., Any])
_SECRET_BYTES_MIN = 16


def key_file_option(function: _Function) -> _Function:
    """Add --key-file."""
    option = click.option(
        "--key-file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        envvar="QUIRE_BACKUP_KEY_FILE",
        metavar="FILE",
        help="A secret that seals manifests, kept apart from the backups [env: QUIRE_BACKUP_KEY_FILE].",
    )
    return option(function)


def backup_arguments(function: _Function) -> _Function:
    """Add DIR, the folder of backups, and --backup, by default its newest."""
    function = click.option("--backup", "backup_id", metavar="ID", help="Which backup [default: the newest].")(function)
    return click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))(function)


def secret_of(key_file: Path | None) -> bytes | None:
    """The secret in the file, or None without a file."""
    if key_file is None:
        return None
    secret = key_file.read_bytes()
    if len(secret) < _SECRET_BYTES_MIN:
        raise click.UsageError(f"{key_file} holds less than {_SECRET_BYTES_MIN} bytes: `openssl rand 32` makes some.")
    return secret


def chosen(folder: Path, key_file: Path | None, backup_id: str | None) -> tuple[BackupFolder, StoredBackup]:
    """The folder of backups and the backup meant."""
    opened = BackupFolder.open(folder, secret_of(key_file))
    return opened, opened.backup(backup_id)


@contextmanager
def backup_failures() -> Iterator[None]:
    """Tell what to do about a damaged backup; damage in a data folder is told as elsewhere."""
    try:
        yield
    except DataDamaged as error:
        raise CommandFailed(
            error.detail, "`quire verify DIR` says what is damaged; take another backup", ExitCode.DAMAGED_DATA
        ) from error
