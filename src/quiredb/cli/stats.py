"""`quire stats`: the numbers of a library."""

from typing import Any

import click
from rich.text import Text

from quiredb.cli.connection import connected, connection_options
from quiredb.cli.output import bytes_in_words, console, json_option, new_table, plain, print_json, wants_json


@click.command()
@click.argument("library")
@connection_options
@json_option
def stats(library: str) -> None:
    """Show counts, sizes and the index of LIBRARY."""
    with connected() as client:
        numbers = plain(client.library(library).stats())
    if wants_json():
        print_json(numbers)
        return
    table = new_table(show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    numbers.get("index", {}).pop("segments", None)  # they stand beside it too
    for name, value in _rows(numbers):
        table.add_row(name, Text(value))
    console().print(table)


def _rows(numbers: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """One row for each number; objects are opened one level deep, lists are counted."""
    rows: list[tuple[str, str]] = []
    for name, value in numbers.items():
        label = f"{prefix}{name.replace('_', ' ')}"
        if isinstance(value, dict):
            rows += _rows(value, f"{label} ")
        elif isinstance(value, list):
            rows.append((label, _list_in_words(value)))
        else:
            rows.append((label, _value_in_words(label, value)))
    return rows


def _list_in_words(items: list[Any]) -> str:
    if not items:
        return "none"
    if all(isinstance(item, dict) for item in items):
        return "\n".join(
            ", ".join(f"{name} {_value_in_words(name, value)}" for name, value in item.items()) for item in items
        )
    return ", ".join(str(item) for item in items)


def _value_in_words(name: str, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    if "bytes" in name:
        return bytes_in_words(int(value))
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"
