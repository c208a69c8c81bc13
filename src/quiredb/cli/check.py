"""`quire check`: look for damage in a data folder."""

from collections.abc import Sequence
from pathlib import Path

import click
from rich.text import Text

from quiredb.cli.exit_codes import ExitCode
from quiredb.cli.output import console, json_option, new_table, print_json, wants_json
from quiredb.cli.progress import current_step
from quiredb.storage.check import check_folder
from quiredb.storage.findings import Finding, Severity


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
@json_option
def check(folder: Path) -> int:
    """Check the data folder DIR for damage: every page, row and segment. No server may be using it.

    Errors are damage to the record, to be answered with a backup; warnings are repaired by the next start.
    """
    with current_step("checking") as say:
        findings = check_folder(folder, say)
    if wants_json():
        print_json({"folder": str(folder), "findings": findings})
    elif findings:
        _print_table(findings)
    else:
        click.echo(f"{folder}: no damage found.")
    damaged = any(finding.severity is Severity.ERROR for finding in findings)
    return ExitCode.DAMAGED_DATA if damaged else ExitCode.OK


def _print_table(findings: Sequence[Finding]) -> None:
    table = new_table()
    table.add_column("severity", no_wrap=True)
    table.add_column("where", overflow="fold", ratio=1)
    table.add_column("what", ratio=2)
    for finding in findings:
        table.add_row(finding.severity, Text(finding.where), Text(finding.what))
    console().print(table)
