"""Errors as people should see them: what went wrong, what to do, and an exit code. Never a traceback."""

from dataclasses import dataclass

import click
from quiredb_client import errors as client_errors

from quiredb.cli.exit_codes import ExitCode
from quiredb.domain import errors


class CommandFailed(Exception):
    """A command cannot do what it was asked to."""

    def __init__(self, message: str, hint: str = "", exit_code: ExitCode = ExitCode.FAILURE) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True)
class Failure:
    """What is printed on stderr, and how the process ends."""

    message: str
    hint: str
    exit_code: int

    def show(self) -> None:
        """Print it on stderr."""
        click.echo(f"{click.style('error:', fg='red', bold=True)} {self.message}", err=True)
        if self.hint:
            click.echo(f"{click.style('hint:', fg='cyan')} {self.hint}", err=True)


REPORTED = (
    CommandFailed,
    click.ClickException,
    client_errors.QuireError,
    errors.QuireError,
    OSError,
)
"""The exceptions that `failure_of` explains; any other is a bug in Quire."""


def failure_of(error: Exception) -> Failure:
    """The failure to show for an exception of one of the `REPORTED` types."""
    if isinstance(error, CommandFailed):
        return Failure(error.message, error.hint, error.exit_code)
    if isinstance(error, click.ClickException):
        return _of_usage(error)
    if isinstance(error, client_errors.QuireError):
        return _of_client(error)
    if isinstance(error, errors.QuireError):
        return _of_engine(error)
    return Failure(str(error), "", ExitCode.FAILURE)


def _of_usage(error: click.ClickException) -> Failure:
    context = error.ctx if isinstance(error, click.UsageError) else None
    hint = f"{context.command_path} --help" if context is not None else ""
    return Failure(error.format_message(), hint, error.exit_code)


def _of_client(error: client_errors.QuireError) -> Failure:
    if isinstance(error, client_errors.BulkFailed) and isinstance(error.__cause__, client_errors.QuireError):
        cause = _of_client(error.__cause__)
        return Failure(str(error), cause.hint, cause.exit_code)
    if isinstance(error, (client_errors.ConnectionFailed, client_errors.Timeout)):
        return Failure(
            str(error),
            "is the server running? Start one with `quire serve --data DIR`, or name another with --url",
            ExitCode.CANNOT_CONNECT,
        )
    if isinstance(error, client_errors.NotFound):
        return Failure(error.detail, "`quire libraries` lists the libraries there are", ExitCode.NOT_FOUND)
    if isinstance(error, client_errors.Unauthorized):
        return Failure(error.detail, "give a key with --api-key or QUIRE_API_KEY", ExitCode.FAILURE)
    if isinstance(error, client_errors.ApiError):
        return Failure(_with_places(error), _retry_hint(error), ExitCode.FAILURE)
    return Failure(str(error), "", ExitCode.FAILURE)


def _with_places(error: client_errors.ApiError) -> str:
    places = [f"  {place.pointer or '/'}: {place.detail}" for place in error.errors]
    return "\n".join([error.detail, *places]) if len(places) > 1 else error.errors[0].detail if places else error.detail


def _retry_hint(error: client_errors.ApiError) -> str:
    if error.retryable:
        return "the same command may succeed later"
    return f"this is a fault of the server; its log has request {error.request_id}" if error.status == 500 else ""


def _of_engine(error: errors.QuireError) -> Failure:
    if isinstance(error, errors.FolderInUse):
        return Failure(error.detail, "stop that process, or speak to it with --url instead of --data", ExitCode.FAILURE)
    if isinstance(error, errors.FormatUnsupported):
        return Failure(error.detail, "", ExitCode.CONFIGURATION)
    if isinstance(error, errors.DataDamaged):
        return Failure(error.detail, "`quire check DIR` says what is damaged", ExitCode.DAMAGED_DATA)
    if isinstance(error, errors.NotFound):
        return Failure(error.detail, "", ExitCode.NOT_FOUND)
    return Failure(error.detail, "", ExitCode.FAILURE)
