"""`quire serve`: the server, until a signal ends it."""

import faulthandler
import logging
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
from quiredb.cli.draining import ENDING, DrainingServer
from quiredb.cli.exit_codes import ExitCode
from quiredb.cli.failures import CommandFailed
from quiredb.cli.guarded_protocol import GuardedProtocol, guarded
from quiredb.cli.logs import configure_logs
from quiredb.cli.serve_options import chosen_settings, settings_options
from quiredb.cli.tls import Certificate
from quiredb.domain.errors import FormatUnsupported, ValidationFailed
from quiredb.repositories.keys import list_keys
from quiredb.settings import Settings, is_loopback

_GRACE_SECONDS = 20
_BACKLOG = 2048
_SECONDS_BETWEEN_STEPS = 0.5
_TICKS_PER_SECOND = 10


@click.command()
@settings_options
@click.option(
    "--tracing",
    is_flag=True,
    envvar="QUIRE_TRACING",
    help="Export OpenTelemetry spans to OTEL_EXPORTER_OTLP_ENDPOINT; needs quiredb[otel] [env: QUIRE_TRACING=1].",
)
@click.option(
    "--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info", show_default=True
)
@click.option(
    "--log-format", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Of lines on stderr."
)
def serve(*, log_level: str, log_format: str, tracing: bool, **given: Any) -> int:
    """Serve the libraries of a data folder over HTTP."""
    settings = chosen_settings(**given)
    _refuse_strangers(settings)
    certificate = Certificate.of(settings)
    configure_logs(log_level, log_format)
    return_memory_early()
    look_for_cycles_seldom()
    with _listening(settings) as listener:
        click.echo(f"opening the data folder {settings.data}")
        try:
            app = import_module("quiredb.app").build(settings, progress=_StartUpLines())
        except (ValidationFailed, FormatUnsupported) as error:
            raise CommandFailed(error.detail, exit_code=ExitCode.CONFIGURATION) from error
        if tracing:
            _trace(app)
        return _run(app, listener, settings, certificate)


def _trace(app: Any) -> None:
    """Export spans of all requests. What that needs is not installed with Quire itself."""
    try:
        import_module("quiredb.cli.trace_export").export_spans()
    except ModuleNotFoundError as error:
        raise CommandFailed(
            f"--tracing needs {error.name}", "pip install 'quiredb[otel]'", ExitCode.CONFIGURATION
        ) from error
    import_module("quiredb.api.tracing").trace_requests(app)


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


class _Server(DrainingServer):
    """Lets the time of connections pass."""

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second."""
        if counter % _TICKS_PER_SECOND == 0:
            for connection in [one for one in self.server_state.connections if isinstance(one, GuardedProtocol)]:
                connection.look()
        return await super().on_tick(counter)


def _run(app: Any, listener: socket.socket, settings: Settings, certificate: Certificate | None) -> int:
    """Serve until SIGTERM or SIGINT; requests under way are finished first. SIGHUP reads the certificate again."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    address = f"{'https' if certificate else 'http'}://{host}:{listener.getsockname()[1]}"
    faulthandler.enable(file=sys.stderr.fileno())
    health = app.state.services.health
    config = _config(app, settings, certificate)
    server = _Server(config, health, settings.drain_delay, lambda: click.echo(f"listening on {address}"))
    for ending in ENDING:
        signal.signal(ending, server.handle_exit)
    if certificate is not None:
        signal.signal(signal.SIGHUP, lambda _signal, _frame: _renew(certificate))
    elif not is_loopback(settings.host) and settings.proxies is None:
        click.echo("without TLS, keys and data travel readable: see --tls-certificate, or --proxies for a TLS proxy")
    server.run(sockets=[listener])
    if not server.started:
        raise CommandFailed("the server could not start; its log above says why")
    click.echo("stopped")
    return ExitCode.OK


def _config(app: Any, settings: Settings, certificate: Certificate | None) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=guarded(settings.connections_max),
        ws="none",
        loop="uvloop" if sys.platform != "win32" else "asyncio",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=settings.proxies is not None,
        forwarded_allow_ips=settings.proxies,
        ssl_context_factory=None if certificate is None else lambda _config, _default: certificate.context,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )


def _renew(certificate: Certificate) -> None:
    try:
        certificate.load()
    except OSError:
        logging.getLogger(__name__).exception("the certificate cannot be read again; the old one stays")
    else:
        click.echo("read the certificate again")
