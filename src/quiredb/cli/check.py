"""`quire check`: look for damage in a data folder."""

from collections.abc import Sequence
from pathlib import Path

import click
from rich.text import Text

from quiredb.cli.exit_codes import ExitCode
from quiredb.cli.output import console, json_option, new_table, print_json, wants_json
from quiredb.storage.check import Finding, check_folder


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
@json_option
def check(folder: Path) -> int:
    """Check the data folder DIR for damage. No server may be using it."""
    findings = check_folder(folder)
    if wants_json():
        print_json({"folder": str(folder), "findings": findings})
    elif findings:
        _print_table(findings)
    else:
        click.echo(f"{folder}: no damage found.")
    return ExitCode.DAMAGED_DATA if findings else ExitCode.OK


def _print_table(findings: Sequence[Finding]) -> None:
    table = new_table()
    table.add_column("severity", no_wrap=True)
    table.add_column("where", overflow="fold", ratio=1)
    table.add_column("what", ratio=2)
    for finding in findings:
        table.add_row(finding.severity, Text(finding.where), Text(finding.what))
    console().print(table)
