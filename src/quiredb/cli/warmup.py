"""`quire warmup`: compile the search kernels now rather than at the first start."""

import click

from quiredb.cli.failures import CommandFailed
from quiredb.cli.output import json_option, print_json, wants_json
from quiredb.cli.progress import progress_bar
from quiredb.indexes.contract import KernelSelfTestError
from quiredb.indexes.warmup import warm_up


@click.command()
@json_option
def warmup() -> None:
    """Compile the search kernels into the cache, and test them."""
    with progress_bar("compiling the search kernels", None) as advance_to:
        try:
            report = warm_up(lambda _name, done, total: advance_to(done, total))
        except KernelSelfTestError as error:
            raise CommandFailed(f"the compiled kernels give wrong answers on this machine: {error}") from error
    if wants_json():
        print_json(report)
        return
    click.echo(
        f"{report.kernels} kernels ready for {report.level} in {report.seconds:.1f} s, "
        f"{report.loaded} of them from the cache in {report.folder}."
    )
