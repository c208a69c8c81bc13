"""`quire audit`: is the log of who did what as it was written?"""

from pathlib import Path

import click

from quiredb.cli.data_folder import data_folder_option
from quiredb.cli.exit_codes import ExitCode
from quiredb.cli.failures import CommandFailed
from quiredb.cli.output import json_option, print_json, wants_json
from quiredb.settings import Settings
from quiredb.storage.audit_log import verify_audit_log


@click.group()
def audit() -> None:
    """Judge the audit log of a server."""


@audit.command()
@data_folder_option
@click.option(
    "--file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    envvar="QUIRE_AUDIT_LOG",
    help="The log, where it is not in the data folder [env: QUIRE_AUDIT_LOG].",
)
@json_option
def verify(data: Path, file: Path | None) -> int:
    """Follow the chain of hashes through the log; exit code 1 when a line was changed, added or removed."""
    path = file or Settings(data=data).audit_path
    if not path.exists():
        raise CommandFailed(f"there is no audit log at {path}", "name its folder with --data, or the log with --file")
    report = verify_audit_log(path)
    if wants_json():
        print_json(report)
    elif report.broken is None:
        click.echo(f"{report.lines} lines are as they were written; the last hash is {report.last_hash}")
    else:
        click.echo(f"{report.broken} What follows cannot be trusted.", err=True)
    return ExitCode.OK if report.broken is None else ExitCode.FAILURE
