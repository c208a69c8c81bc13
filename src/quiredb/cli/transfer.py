"""`quire import` and `quire export`: whole libraries as NDJSON, plain or compressed by gzip."""

import gzip
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

import click
from quiredb_client import Client, ImportReport, NotFound
from quiredb_client.decoding import is_document

from quiredb.cli.arguments import EmbedderName
from quiredb.cli.connection import connected, connection_options
from quiredb.cli.exit_codes import ExitCode
from quiredb.cli.failures import CommandFailed
from quiredb.cli.libraries import METRICS
from quiredb.cli.output import json_option, print_json, wants_json
from quiredb.cli.progress import Advance, progress_bar

_GZIP_MAGIC = b"\x1f\x8b"
_FAILURES_SHOWN = 20


@click.command("import")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True))
@click.option("--library", required=True, metavar="ID", help="Where to write.")
@click.option("--create", is_flag=True, help="Create the library if it is not there.")
@click.option("--dimension", type=click.IntRange(1), help="With --create: length of the vectors.")
@click.option("--metric", type=click.Choice(METRICS), default="cosine", show_default=True, help="With --create.")
@click.option("--embedder", type=EmbedderName(), help="With --create: embed texts by this model.")
@click.option(
    "--on-error",
    type=click.Choice(["continue", "abort"]),
    default="continue",
    show_default=True,
    help="What to do after a line that is not valid.",
)
@connection_options
@json_option
def import_file(
    *,
    file: str,
    library: str,
    create: bool,
    dimension: int | None,
    metric: Any,
    embedder: dict[str, str] | None,
    on_error: str,
) -> int:
    """Write the lines of FILE, or of standard input (-), to a library.

    Each line is a document with its chunks, or a chunk with its document_id, as `quire export` writes them.
    """
    if create and dimension is None and embedder is None:
        raise click.UsageError("With --create, say how long the vectors are with --dimension, or name an --embedder.")
    with _opened(file) as (raw, size), connected() as client:
        if create:
            _create_unless_there(client, library, dimension, metric, embedder)
        report = _write(client, library, raw, size, "raise" if on_error == "abort" else "collect")
    if wants_json():
        print_json({**_counts(report), "failed": [_fault(item) for item in report.failed]})
    else:
        _print_report(report, library)
    return ExitCode.OK if report.ok else ExitCode.FAILURE


@click.command("export")
@click.argument("library")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="A file; .gz is compressed.")
@connection_options
@json_option
def export_library(library: str, output: Path | None) -> None:
    """Write LIBRARY as NDJSON to a file or to standard output. Importing it gives the same library."""
    if output is None and wants_json():
        raise click.UsageError("--json needs --output: without it the library itself goes to standard output.")
    with connected() as client:
        total = client.libraries.get(library).document_count
        lines = client.library(library).export_lines()
        if output is None:
            _write_lines(lines, sys.stdout.buffer, None)
            sys.stdout.buffer.flush()
            return
        count = _write_file(lines, output, total)
    if wants_json():
        print_json({"library": library, "documents": count, "file": str(output), "bytes": output.stat().st_size})
    else:
        click.echo(f"Exported {count:,} documents of {library} to {output}.")


@contextmanager
def _opened(file: str) -> Iterator[tuple[BinaryIO, int | None]]:
    """The file with its size, or standard input with None."""
    if file == "-":
        yield sys.stdin.buffer, None
        return
    try:
        raw = Path(file).open("rb")  # noqa: SIM115  # closed below; an error here is the user's, one inside is not
    except OSError as error:
        raise CommandFailed(f"cannot read {file}: {error.strerror}") from error
    with raw:
        yield raw, Path(file).stat().st_size


def _create_unless_there(
    client: Client, library: str, dimension: int | None, metric: Any, embedder: dict[str, str] | None
) -> None:
    try:
        client.libraries.get(library)
    except NotFound:
        client.libraries.create(library, dimension=dimension, metric=metric, embedder=embedder)


def _write(
    client: Client, library: str, raw: BinaryIO, size: int | None, on_error: Literal["collect", "raise"]
) -> ImportReport:
    with progress_bar("importing", size) as advance_to:
        try:
            return client.library(library).import_(_lines(raw, size, advance_to), on_error=on_error)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise CommandFailed(
                f"the file is not a complete gzip file ({error}); the lines before the damage were written"
            ) from error


def _lines(raw: BinaryIO, size: int | None, advance_to: Advance) -> Iterator[bytes]:
    """The lines, unpacked where the first bytes say so; tells how far into the file they reach."""
    compressed = cast(Any, raw).peek(2)[:2] == _GZIP_MAGIC
    for line in gzip.GzipFile(fileobj=raw) if compressed else raw:
        yield line
        if size is not None:
            advance_to(raw.tell())


def _counts(report: ImportReport) -> dict[str, Any]:
    return {
        "items": report.items,
        "documents": report.documents,
        "chunks": report.chunks,
        "bytes": report.bytes,
        "seconds": round(report.seconds, 3),
    }


def _fault(item: Any) -> dict[str, Any]:
    return {"line": item.line, "pointer": item.pointer, "code": item.code, "detail": item.detail}


def _print_report(report: ImportReport, library: str) -> None:
    rate = report.chunks / report.seconds if report.seconds > 0 else 0.0
    click.echo(
        f"Imported {report.documents:,} documents and {report.chunks:,} chunks into {library} "
        f"in {report.seconds:.1f} s ({rate:,.0f} chunks/s)."
    )
    if report.ok:
        return
    click.echo(f"{len(report.failed):,} lines were not imported:", err=True)
    for item in report.failed[:_FAILURES_SHOWN]:
        click.echo(f"  line {item.line}: {item.pointer or '/'}: {item.detail}", err=True)
    if len(report.failed) > _FAILURES_SHOWN:
        click.echo(f"  and {len(report.failed) - _FAILURES_SHOWN:,} more", err=True)


def _write_file(lines: Iterator[bytes], output: Path, total: int) -> int:
    """Write beside the file and move into place at the end, so that a file is never half an export."""
    part = output.with_name(f"{output.name}.part")
    try:
        with part.open("wb") as raw:
            if output.suffix == ".gz":
                with gzip.GzipFile(fileobj=raw, mode="wb", filename="", mtime=0) as packed:
                    count = _write_lines(lines, cast(BinaryIO, packed), total)
            else:
                count = _write_lines(lines, raw, total)
        part.replace(output)
    finally:
        part.unlink(missing_ok=True)
    return count


def _write_lines(lines: Iterator[bytes], target: BinaryIO, total: int | None) -> int:
    count = 0
    with progress_bar("exporting", total) as advance_to:
        for line in lines:
            target.write(line + b"\n")
            count += is_document(line)
            advance_to(count)
    return count
