"""`quire version`: what is installed here."""

import platform
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed

import click

from quiredb.cli.output import json_option, print_json, wants_json

_PACKAGES = ("quiredb", "quiredb-client", "numpy", "numba", "apsw", "cohere", "sentence-transformers")


@click.command()
@json_option
def version() -> None:
    """Show what is installed."""
    versions = {name: _installed(name) for name in _PACKAGES} | {"python": platform.python_version()}
    if wants_json():
        print_json(versions)
        return
    for name, number in versions.items():
        if number is not None:
            click.echo(f"{name} {number}")


def _installed(name: str) -> str | None:
    try:
        return installed(name)
    except PackageNotFoundError:
        return None
