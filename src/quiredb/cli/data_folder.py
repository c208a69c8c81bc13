"""The option --data of commands that work on a server's folder themselves."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from quiredb.settings import Settings

_Function = TypeVar("_Function", bound=Callable[..., Any])


def data_folder_option(function: _Function) -> _Function:
    """Add --data, by default the folder that `quire serve` would take."""
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
