"""What commands print: tables for people, JSON for machines (--json)."""

import dataclasses
import json
import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar

import click
import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

_Function = TypeVar("_Function", bound=Callable[..., Any])

_META = "quiredb.cli.json"


def _remember(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value:
        context.meta[_META] = True


def json_option(function: _Function) -> _Function:
    """Add --json."""
    option = click.option(
        "--json",
        is_flag=True,
        help="Print JSON for machines.",
        expose_value=False,
        callback=_remember,
    )
    return option(function)


def wants_json() -> bool:
    """Whether the running command was given --json."""
    return bool(click.get_current_context().meta.get(_META))


def print_json(value: object) -> None:
    """Print `value` as one JSON document."""
    click.echo(json.dumps(plain(value), ensure_ascii=False, indent=2 if sys.stdout.isatty() else None))


def plain(value: object) -> Any:
    """`value` as what JSON has: dataclasses as objects (their `extra` members beside the named ones, None left out)."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        members = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        extra = members.pop("extra", {})
        return {name: plain(member) for name, member in {**members, **extra}.items() if member is not None}
    if isinstance(value, Mapping):
        return {str(name): plain(member) for name, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return value


def console() -> Console:
    """Where tables go: stdout, without colours when it is no terminal."""
    return Console(highlight=False)


def new_table(*, show_header: bool = True) -> Table:
    """A table without frames that fits 80 columns."""
    return Table(box=SIMPLE_HEAD if show_header else None, show_header=show_header, pad_edge=False, show_edge=False)


def bytes_in_words(count: int) -> str:
    """1536 as '1.5 KiB'."""
    size = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"
