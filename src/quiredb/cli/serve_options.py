"""The options of `quire serve`: each names a field of `Settings` and its environment variable."""

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from quiredb.cli.arguments import ByteCount
from quiredb.cli.exit_codes import ExitCode
from quiredb.cli.failures import CommandFailed
from quiredb.domain.errors import ValidationFailed
from quiredb.settings import Settings

_Function = TypeVar("_Function", bound=Callable[..., Any])
_FILE = click.Path(dir_okay=False, path_type=Path)

_OPTIONS = (
    click.option("--data", type=click.Path(file_okay=False, path_type=Path), metavar="DIR", help="[env: QUIRE_DATA]"),
    click.option("--host", help="Address to listen on [env: QUIRE_HOST; default 127.0.0.1]."),
    click.option(
        "--port", type=click.IntRange(0, 65535), help="[env: QUIRE_PORT or PORT; default 7333; 0: any free one]"
    ),
    click.option(
        "--embedders",
        type=_FILE,
        metavar="FILE",
        help="Which embedding providers libraries may use [env: QUIRE_EMBEDDERS].",
    ),
    click.option(
        "--allow-open",
        is_flag=True,
        default=None,
        help="Serve other machines although there are no keys [env: QUIRE_ALLOW_OPEN=1].",
    ),
    click.option(
        "--allowed-host",
        "allowed_hosts",
        multiple=True,
        metavar="NAME",
        help="A name that the server answers to; may be repeated [env: QUIRE_ALLOWED_HOSTS].",
    ),
    click.option(
        "--proxies",
        metavar="ADDRESSES",
        help="Proxies whose X-Forwarded-For and -Proto are believed [env: QUIRE_PROXIES].",
    ),
    click.option(
        "--tls-certificate", type=_FILE, metavar="FILE", help="Speak TLS with this chain [env: QUIRE_TLS_CERTIFICATE]."
    ),
    click.option("--tls-key", type=_FILE, metavar="FILE", help="Its private key [env: QUIRE_TLS_KEY]."),
    click.option("--connections-max", type=click.IntRange(1), help="[env: QUIRE_CONNECTIONS_MAX; default 1024]"),
    click.option(
        "--requests-at-once-max",
        type=click.IntRange(1),
        help="Requests in flight [env: QUIRE_REQUESTS_AT_ONCE_MAX; default 256].",
    ),
    click.option(
        "--requests-per-second-max",
        type=click.IntRange(0),
        help="Of one key [env: QUIRE_REQUESTS_PER_SECOND_MAX; default 0: any].",
    ),
    click.option(
        "--audit-log", type=_FILE, metavar="FILE", help="[env: QUIRE_AUDIT_LOG; default audit.jsonl in the data folder]"
    ),
    click.option(
        "--audit-share",
        type=click.FloatRange(0, 1),
        help="Share of searches that are repeated exactly in idle time [env: QUIRE_AUDIT_SHARE; default 0.02].",
    ),
    click.option(
        "--memory-limit",
        type=ByteCount(),
        metavar="SIZE",
        help="Refuse work that would take more memory, as 700M or 4G [env: QUIRE_MEMORY_LIMIT; "
        "default: 90 % of the control group's limit, else 80 % of the machine's; 0: no limit].",
    ),
    click.option(
        "--drain-delay",
        type=click.FloatRange(0),
        metavar="SECONDS",
        help="Serve on for so long after SIGTERM while /readyz says no [env: QUIRE_DRAIN_DELAY; default 0].",
    ),
)


def settings_options(function: _Function) -> _Function:
    """Add them all; what is not given comes as None or ()."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def chosen_settings(**given: Any) -> Settings:
    """The environment's settings, with what the command line says instead."""
    try:
        settings = Settings.from_environment(os.environ)
    except ValidationFailed as error:
        raise CommandFailed(error.detail, exit_code=ExitCode.CONFIGURATION) from error
    return dataclasses.replace(settings, **{name: value for name, value in given.items() if value not in {None, ()}})
