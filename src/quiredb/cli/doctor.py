"""`quire doctor`: is this machine fit to serve this folder?"""

from pathlib import Path

import click
from rich.text import Text

from quiredb.cli.diagnosis import Finding, Verdict, diagnose
from quiredb.cli.exit_codes import ExitCode
from quiredb.cli.output import console, json_option, new_table, print_json, wants_json
from quiredb.cli.progress import current_step
from quiredb.cli.serve_options import chosen_settings

_COLOURS = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.ERROR: "bold red"}


@click.command()
@click.option("--data", type=click.Path(path_type=Path), metavar="DIR", help="[env: QUIRE_DATA]")
@click.option("--host", help="Address that the server is to listen on [env: QUIRE_HOST; default 127.0.0.1].")
@json_option
def doctor(data: Path | None, host: str | None) -> int:
    """Look at what a server would meet here: folder, disk, limits, SQLite, kernels, keys. No library is opened.

    Exits 1 when something would keep the server from working. `quire check` looks for damage in the data itself.
    """
    settings = chosen_settings(data=data, host=host)
    with current_step("looking") as say:
        findings = []
        for finding in diagnose(settings):
            say(finding.subject)
            findings.append(finding)
    if wants_json():
        print_json({"folder": str(settings.data), "findings": findings})
    else:
        _print_table(findings)
    fit = all(finding.verdict is not Verdict.ERROR for finding in findings)
    return ExitCode.OK if fit else ExitCode.FAILURE


def _print_table(findings: list[Finding]) -> None:
    table = new_table()
    table.add_column("looked at", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("found", overflow="fold", ratio=1)
    table.add_column("advice", overflow="fold", ratio=1)
    for finding in findings:
        verdict = Text(finding.verdict, style=_COLOURS[finding.verdict])
        table.add_row(finding.subject, verdict, Text(finding.found), Text(finding.advice))
    console().print(table)
