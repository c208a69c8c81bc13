"""`quire drill`: a backup is worth what its last restore was worth."""

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from time import monotonic
from typing import Any

import click
from quiredb_client import Client
from rich.text import Text

import quiredb
from quiredb.cli.backup_options import backup_arguments, backup_failures, chosen, key_file_option
from quiredb.cli.exit_codes import ExitCode
from quiredb.cli.output import bytes_in_words, console, json_option, new_table, print_json, wants_json
from quiredb.cli.progress import current_step
from quiredb.cli.restore import restored
from quiredb.domain.times import now
from quiredb.storage.backups.folder import StoredBackup
from quiredb.storage.backups.manifest import StoredLibrary

_SEARCHES = 10
_TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True)
class DrilledLibrary:
    """What became of one library; `complaints` are empty when it is what was backed up and answers."""

    id: str
    position: int
    digest: str
    chunks: int
    searches: int
    complaints: list[str]


@click.command()
@backup_arguments
@click.option(
    "--scratch",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Where to restore to [default: the system's folder for temporary files].",
)
@key_file_option
@json_option
def drill(folder: Path, backup_id: str | None, scratch: Path | None, key_file: Path | None) -> int:
    """Prove a backup in the folder DIR: restore it aside, open it, compare, search, and remove it again.

    Prints how old and large it is, and how long it took until the libraries answered.
    """
    aside = Path(tempfile.mkdtemp(prefix="quire-drill-", dir=scratch))
    started = monotonic()
    try:
        with backup_failures():
            opened, backup = chosen(folder, key_file, backup_id)
            restored(opened, backup, aside / "data", None)
        restore_seconds = monotonic() - started
        with current_step("opening") as say, quiredb.open(aside / "data") as client:
            open_seconds = monotonic() - started - restore_seconds
            drilled = []
            for library in backup.manifest.libraries:
                say(library.id)
                drilled.append(_drilled(client, library))
    finally:
        shutil.rmtree(aside)
    times = {"restore_seconds": round(restore_seconds, 3), "open_seconds": round(open_seconds, 3)}
    _print(backup, drilled, times)
    failed = backup.manifest.omitted or any(library.complaints for library in drilled)
    return ExitCode.DAMAGED_DATA if failed else ExitCode.OK


def _drilled(client: Client, library: StoredLibrary) -> DrilledLibrary:
    """Compare the counts, and search for some of the chunks by their own embeddings."""
    complaints = []
    facts = client.libraries.get(library.id)
    if (facts.document_count, facts.chunk_count) != (library.documents, library.chunks):
        complaints.append(f"{facts.document_count:,} documents and {facts.chunk_count:,} chunks are there")
    if client.library(library.id).count() != library.chunks:
        complaints.append("a filter does not count what is there")
    lines = (line.get("chunks", [line]) for line in client.library(library.id).export())
    samples = list(islice((chunk for chunks in lines for chunk in chunks), _SEARCHES))
    complaints += [f"a search does not find {one['id']}" for one in samples if not _is_found(client, library.id, one)]
    return DrilledLibrary(library.id, library.position, library.digest, library.chunks, len(samples), complaints)


def _is_found(client: Client, library_id: str, chunk: Mapping[str, Any]) -> bool:
    """Whether exact search finds something at least as near as the chunk itself; by dot product much may be nearer."""
    library = client.library(library_id)
    (own,) = library.search(vector=chunk["embedding"], k=1, filter={"id": chunk["id"]}, exact=True).hits
    nearest = library.search(vector=chunk["embedding"], k=1, exact=True).hits[0]
    return nearest.distance <= own.distance + _TOLERANCE


def _print(backup: StoredBackup, drilled: list[DrilledLibrary], times: dict[str, float]) -> None:
    age = (now() - backup.manifest.instant).total_seconds()
    if wants_json():
        facts = {"backup": backup.id, "age_seconds": round(age), "bytes": backup.manifest.bytes, **times}
        print_json({**facts, "libraries": drilled, "omitted": backup.manifest.omitted})
        return
    table = new_table()
    table.add_column("library", overflow="fold", ratio=1)
    for name in ("position", "chunks", "searches"):
        table.add_column(name, no_wrap=True, justify="right")
    table.add_column("digest", no_wrap=True)
    table.add_column("verdict", overflow="fold")
    for one in drilled:
        counts = (f"{count:,}" for count in (one.position, one.chunks, one.searches))
        table.add_row(Text(one.id), *counts, f"{one.digest[:12]}…", Text("; ".join(one.complaints) or "as it was"))
    console().print(table)
    for library in backup.manifest.omitted:
        click.echo(f"NOT in the backup: {library.id}: {library.reason}", err=True)
    total = sum(times.values())
    click.echo(
        f"Backup {backup.id}: {_age_in_words(age)} old, {bytes_in_words(backup.manifest.bytes)}; restored and proved "
        f"in {times['restore_seconds']:.1f} s, answering after {total:.1f} s. The scratch folder was removed."
    )


def _age_in_words(seconds: float) -> str:
    for unit, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} seconds"
