"""`quire key`: create, list and revoke the API keys of a data folder."""

import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import click
from rich.text import Text

from quiredb.cli.data_folder import data_folder_option
from quiredb.cli.output import console, json_option, new_table, plain, print_json, wants_json
from quiredb.domain.keys import ApiKey, KeyDraft
from quiredb.domain.rights import Role
from quiredb.domain.times import now, parse_instant
from quiredb.repositories.keys import create_key, list_keys, revoke_key

_LASTS = re.compile(r"(\d{1,5})([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


class Expiry(click.ParamType[datetime]):
    """An instant, or how long from now: 90d, 12h, 30m."""

    name = "when"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The instant."""
        if isinstance(value, datetime):
            return value
        if lasts := _LASTS.fullmatch(value):
            return now() + timedelta(**{_UNITS[lasts[2]]: int(lasts[1])})
        instant = parse_instant(value)
        if instant is None:
            self.fail("say how long (90d, 12h, 30m) or until when (2030-01-31T00:00:00Z)", param, ctx)
        return instant


@click.group()
def key() -> None:
    """Create, list and revoke API keys, also while a server uses the folder: it notices within a second.

    As soon as there is a key, the server answers only requests that carry one.
    """


@key.command()
@click.option("--name", required=True, help="Whose key it is, or what for: for people.")
@click.option(
    "--role",
    type=click.Choice([role.value for role in Role]),
    default=Role.SERVER_ADMIN.value,
    show_default=True,
    help="What the key may do.",
)
@click.option("--library", "libraries", multiple=True, metavar="ID", help="Only for this library; may be repeated.")
@click.option("--expires", type=Expiry(), metavar="WHEN", help="How long it counts (90d, 12h, 30m), or until when.")
@data_folder_option
@json_option
def create(name: str, role: str, libraries: tuple[str, ...], expires: datetime | None, data: Path) -> None:
    """Create a key and print it, this once: only its digest is stored."""
    created, secret = create_key(data, KeyDraft(name, Role(role), libraries or None, expires))
    if wants_json():
        print_json({**plain(created), "key": secret})
        return
    click.echo(f"Created the key {created.id} of {data}. It is shown only now:", err=True)
    click.echo(secret)


@key.command(name="list")
@data_folder_option
@json_option
def list_command(data: Path) -> None:
    """List the keys: what they are for and when they were used, not the keys themselves."""
    found = list_keys(data)
    if wants_json():
        print_json(found)
    elif found:
        _print_table(found)
    else:
        click.echo(f"There are no keys in {data}; `quire key create --name NAME --data {data}` makes one.")


@key.command()
@click.argument("key_id", metavar="ID")
@data_folder_option
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
    table.add_column("role", overflow="fold")
    for title in ("created", "expires", "used"):
        table.add_column(title, no_wrap=True)
    for one in found:
        role = one.role.value if one.libraries is None else f"{one.role}: {', '.join(one.libraries)}"
        days = (_day(instant) for instant in (one.created_at, one.expires_at, one.last_used_at))
        table.add_row(one.id, Text(one.name), Text(role), *days)
    console().print(table)


def _day(instant: datetime | None) -> str:
    return "-" if instant is None else f"{instant:%Y-%m-%d}"
