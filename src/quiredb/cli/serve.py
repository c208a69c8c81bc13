"""`quire serve`: the server, until a signal ends it."""

import dataclasses
import faulthandler
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import uvicorn

from quiredb.cli.allocator import look_for_cycles_seldom, return_memory_early
from quiredb.cli.arguments import ByteCount
from quiredb.cli.draining import ENDING, DrainingServer
from quiredb.cli.exit_codes import ExitCode
from quiredb.cli.failures import CommandFailed
from quiredb.cli.joined_writes import JoiningProtocol
from quiredb.cli.logs import configure_logs
from quiredb.domain.errors import FormatUnsupported, ValidationFailed
from quiredb.repositories.keys import list_keys
from quiredb.settings import Settings, is_loopback

_GRACE_SECONDS = 20
_BACKLOG = 2048
_SECONDS_BETWEEN_STEPS = 0.5


@click.command()
@click.option("--data", type=click.Path(file_okay=False, path_type=Path), metavar="DIR", help="[env: QUIRE_DATA]")
@click.option("--host", help="Address to listen on [env: QUIRE_HOST; default 127.0.0.1].")
@click.option("--port", type=click.IntRange(0, 65535), help="[env: QUIRE_PORT or PORT; default 7333; 0: any free one]")
@click.option(
    "--embedders",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Which embedding providers libraries may use [env: QUIRE_EMBEDDERS].",
)
@click.option(
    "--allow-open", is_flag=True, help="Serve other machines although there are no keys [env: QUIRE_ALLOW_OPEN=1]."
)
@click.option(
    "--audit-share",
    type=click.FloatRange(0, 1),
    help="Share of searches that are repeated exactly in idle time [env: QUIRE_AUDIT_SHARE; default 0.02; 0: none].",
)
@click.option(
    "--memory-limit",
    type=ByteCount(),
    metavar="SIZE",
    help="Refuse work that would take more memory, as 700M or 4G [env: QUIRE_MEMORY_LIMIT; "
    "default: 90 % of the control group's limit, else 80 % of the machine's; 0: no limit].",
)
@click.option(
    "--drain-delay",
    type=click.FloatRange(0),
    metavar="SECONDS",
    help="Serve on for so long after SIGTERM while /readyz says no [env: QUIRE_DRAIN_DELAY; default 0].",
)
@click.option(
    "--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info", show_default=True
)
@click.option(
    "--log-format", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Of lines on stderr."
)
def serve(
    *,
    data: Path | None,
    host: str | None,
    port: int | None,
    embedders: Path | None,
    allow_open: bool,
    audit_share: float | None,
    memory_limit: int | None,
    drain_delay: float | None,
    log_level: str,
    log_format: str,
) -> int:
    """Serve the libraries of a data folder over HTTP."""
    settings = _settings(
        data=data,
        host=host,
        port=port,
        embedders=embedders,
        allow_open=allow_open or None,
        audit_share=audit_share,
        memory_limit=memory_limit,
        drain_delay=drain_delay,
    )
    _refuse_strangers(settings)
    configure_logs(log_level, log_format)
    return_memory_early()
    look_for_cycles_seldom()
    with _listening(settings) as listener:
        click.echo(f"opening the data folder {settings.data}")
        try:
            app = import_module("quiredb.app").build(settings, progress=_StartUpLines())
        except (ValidationFailed, FormatUnsupported) as error:
            raise CommandFailed(error.detail, exit_code=ExitCode.CONFIGURATION) from error
        return _run(app, listener, settings)


def _settings(**given: Any) -> Settings:
    """The environment's settings, with what the command line says instead."""
    try:
        settings = Settings.from_environment(os.environ)
    except ValueError as error:
        raise CommandFailed(
            f"a QUIRE_ variable in the environment is not valid: {error}", exit_code=ExitCode.CONFIGURATION
        ) from error
    return dataclasses.replace(settings, **{name: value for name, value in given.items() if value is not None})


def _refuse_strangers(settings: Settings) -> None:
    if settings.allow_open or is_loopback(settings.host) or _has_keys(settings.data):
        return
    raise CommandFailed(
        f"{settings.host} can be reached from other machines, and {settings.data} has no API keys",
        f"create one with `quire key create --name NAME --data {settings.data}`; or listen on 127.0.0.1; "
        "or say --allow-open (QUIRE_ALLOW_OPEN=1) if something in front of the server keeps strangers out",
        ExitCode.CONFIGURATION,
    )


def _has_keys(data: Path) -> bool:
    try:
        return bool(list_keys(data))
    except FormatUnsupported as error:
        raise CommandFailed(error.detail, exit_code=ExitCode.CONFIGURATION) from error


@contextmanager
def _listening(settings: Settings) -> Iterator[socket.socket]:
    """The bound socket. It is taken before anything slow happens, so that a taken port is said at once."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        listener = socket.create_server((settings.host, settings.port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise CommandFailed(
            f"cannot listen on {settings.host}:{settings.port}: {error.strerror}", "choose another one with --port"
        ) from error
    with listener:
        yield listener


class _StartUpLines:
    """Prints the steps of starting, but not all of those that pass in a blink when nothing has to be compiled."""

    def __init__(self) -> None:
        self._printed = float("-inf")

    def __call__(self, step: str) -> None:
        now = time.monotonic()
        if now - self._printed < _SECONDS_BETWEEN_STEPS and not step.endswith("ready"):
            return
        self._printed = now
        click.echo(step)


def _run(app: Any, listener: socket.socket, settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT; requests under way are finished first."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    address = f"http://{host}:{listener.getsockname()[1]}"
    config = uvicorn.Config(
        app,
        http=JoiningProtocol,
        loop="uvloop" if sys.platform != "win32" else "asyncio",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    faulthandler.enable(file=sys.stderr.fileno())
    health = app.state.services.health
    server = DrainingServer(config, health, settings.drain_delay, lambda: click.echo(f"listening on {address}"))
    for ending in ENDING:
        signal.signal(ending, server.handle_exit)
    server.run(sockets=[listener])
    if not server.started:
        raise CommandFailed("the server could not start; its log above says why")
    click.echo("stopped")
    return ExitCode.OK
