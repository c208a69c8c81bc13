"""Which libraries a command works on: those of a server, or those of a data folder opened in this process."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

import click
from quiredb_client import Client

_Function = TypeVar("_Function", bound=Callable[..., Any])

_META = "quiredb.cli.connection"


def _remember(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    """Keep the value where every nested command finds it, so that the options may stand at any level."""
    if value is not None and parameter.name is not None:
        context.meta.setdefault(_META, {})[parameter.name] = value


def connection_options(function: _Function) -> _Function:
    """Add --url, --api-key and --data."""
    for option in (
        click.option(
            "--data",
            type=click.Path(file_okay=False, path_type=Path),
            metavar="DIR",
            help="Open this data folder here instead of asking a server.",
            expose_value=False,
            callback=_remember,
        ),
        click.option(
            "--api-key",
            envvar="QUIRE_API_KEY",
            help="Key for the server [env: QUIRE_API_KEY].",
            expose_value=False,
            callback=_remember,
        ),
        click.option(
            "--url",
            envvar="QUIRE_URL",
            help="Address of the server [env: QUIRE_URL; default http://127.0.0.1:7333].",
            expose_value=False,
            callback=_remember,
        ),
    ):
        function = option(function)
    return function


def data_option_value() -> Path | None:
    """The folder that the running command was given with --data, or None."""
    folder: Path | None = click.get_current_context().meta.get(_META, {}).get("data")
    return folder


@contextmanager
def connected() -> Iterator[Client]:
    """A client for what the options of the running command name; closed at the end.

    Raises:
        click.UsageError: the server's address is none.
    """
    options = click.get_current_context().meta.get(_META, {})
    with _open_folder(options["data"]) if "data" in options else _client(options) as client:
        yield client


def _client(options: dict[str, Any]) -> Client:
    try:
        return Client(options.get("url"), options.get("api_key"))
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def _open_folder(folder: Path) -> Client:
    if not folder.is_dir():
        raise click.UsageError(f"There is no data folder {str(folder)!r}; `quire serve --data DIR` makes one.")
    client: Client = import_module("quiredb").open(folder)  # the engine is heavy and most commands need none
    return client
