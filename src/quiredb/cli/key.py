"""`quire key`: create, list and revoke the API keys of a data folder."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.text import Text

from quiredb.cli.output import console, json_option, new_table, print_json, wants_json
from quiredb.domain.keys import ApiKey
from quiredb.repositories.keys import create_key, list_keys, revoke_key
from quiredb.settings import Settings

_Function = TypeVar("_Function", bound=Callable[..., Any])


def _data_option(function: _Function) -> _Function:
    option = click.option(
        "--data",
        type=click.Path(file_okay=False, path_type=Path),
        metavar="DIR",
        envvar="QUIRE_DATA",
        default=Settings().data,
        show_default=True,
        help="The server's data folder [env: QUIRE_DATA].",
    )
    return option(function)


@click.group()
def key() -> None:
    """Create, list and revoke API keys, also while a server uses the folder: it notices within a second.

    As soon as there is a key, the server answers only requests that carry one.
    """


@key.command()
@click.option("--name", required=True, help="Whose key it is, or what for: for people.")
@_data_option
@json_option
def create(name: str, data: Path) -> None:
    """Create a key and print it, this once: only its digest is stored."""
    created, secret = create_key(data, name)
    if wants_json():
        print_json({"id": created.id, "name": created.name, "created_at": created.created_at, "key": secret})
        return
    click.echo(f"Created the key {created.id} of {data}. It is shown only now:", err=True)
    click.echo(secret)


@key.command(name="list")
@_data_option
@json_option
def list_command(data: Path) -> None:
    """List the keys: their ids, names and ages, not the keys themselves."""
    found = list_keys(data)
    if wants_json():
        print_json(found)
    elif found:
        _print_table(found)
    else:
        click.echo(f"There are no keys in {data}; `quire key create --name NAME --data {data}` makes one.")


@key.command()
@click.argument("key_id", metavar="ID")
@_data_option
@json_option
def revoke(key_id: str, data: Path) -> None:
    """Revoke the key with this ID, for good."""
    revoked = revoke_key(data, key_id)
    if wants_json():
        print_json({"revoked": revoked.id})
        return
    click.echo(f"Revoked the key {revoked.id} ({revoked.name}).")
    if not list_keys(data):
        click.echo("No key is left: a server on loopback will ask for none after its next start.", err=True)


def _print_table(found: list[ApiKey]) -> None:
    table = new_table()
    table.add_column("id", no_wrap=True)
    table.add_column("name", overflow="fold", ratio=1)
    table.add_column("created", no_wrap=True)
    for one in found:
        table.add_row(one.id, Text(one.name), f"{one.created_at:%Y-%m-%d %H:%M}Z")
    console().print(table)
