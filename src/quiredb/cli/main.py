"""The entry point of `quire`."""

from collections.abc import Sequence

import click

from quiredb.cli.exit_codes import ExitCode
from quiredb.cli.failures import REPORTED, failure_of
from quiredb.cli.lazy_group import LazyCommand, LazyGroup

COMMANDS = {
    "serve": LazyCommand("quiredb.cli.serve:serve", "Start a server on a data folder."),
    "key": LazyCommand("quiredb.cli.key:key", "Create, list and revoke the API keys of a data folder."),
    "audit": LazyCommand("quiredb.cli.audit:audit", "Check that the log of who did what was not changed."),
    "libraries": LazyCommand("quiredb.cli.libraries:libraries", "List, create and delete libraries."),
    "import": LazyCommand("quiredb.cli.transfer:import_file", "Write documents and chunks from NDJSON to a library."),
    "export": LazyCommand("quiredb.cli.transfer:export_library", "Write a library as NDJSON."),
    "search": LazyCommand("quiredb.cli.search:search", "Find the chunks nearest to a text or a vector."),
    "stats": LazyCommand("quiredb.cli.stats:stats", "Show counts, sizes and the index of a library."),
    "check": LazyCommand("quiredb.cli.check:check", "Check a data folder for damage, without a server."),
    "backup": LazyCommand("quiredb.cli.backup:backup", "Back up everything, online or not; list and remove backups."),
    "verify": LazyCommand("quiredb.cli.verify:verify", "Read every byte of a backup and say what is damaged."),
    "restore": LazyCommand("quiredb.cli.restore:restore", "Make a data folder from a backup."),
    "drill": LazyCommand("quiredb.cli.drill:drill", "Prove a backup: restore it aside, open it, search it, remove it."),
    "doctor": LazyCommand("quiredb.cli.doctor:doctor", "See whether this machine is fit to serve a data folder."),
    "warmup": LazyCommand("quiredb.cli.warmup:warmup", "Compile the search kernels into the cache, and test them."),
    "version": LazyCommand("quiredb.cli.version:version", "Show what is installed."),
}


@click.command(cls=LazyGroup, lazy_commands=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
def quire() -> None:
    """Quire, a vector database.

    Commands that work on libraries speak to a server (--url, or QUIRE_URL), or open a data folder themselves (--data).
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `quire` with these arguments, by default those of the process; returns the exit code."""
    try:
        code = quire.main(args=arguments, prog_name="quire", standalone_mode=False)
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted", err=True)
        return ExitCode.INTERRUPTED
    except REPORTED as error:
        failure = failure_of(error)
        failure.show()
        return failure.exit_code
    return code if isinstance(code, int) else ExitCode.OK
