"""`quire libraries`: list, create and delete."""

import sys
from typing import Any

import click
from quiredb_client import Library
from rich.text import Text

from quiredb.cli.arguments import EmbedderName
from quiredb.cli.connection import connected, connection_options
from quiredb.cli.output import console, json_option, new_table, print_json, wants_json

METRICS = ("cosine", "l2", "dot")


@click.group(invoke_without_command=True)
@connection_options
@json_option
@click.pass_context
def libraries(context: click.Context) -> None:
    """List the libraries, or create or delete one."""
    if context.invoked_subcommand is not None:
        return
    with connected() as client:
        found = client.libraries.list().to_list()
    if wants_json():
        print_json(found)
    elif found:
        _print_table(found)
    else:
        click.echo("There are no libraries yet; `quire libraries create ID --dimension N` makes one.")


@libraries.command()
@click.argument("library", metavar="ID")
@click.option("--dimension", type=click.IntRange(1), help="Length of the vectors; an embedder knows its own.")
@click.option("--metric", type=click.Choice(METRICS), default="cosine", show_default=True, help="What nearest means.")
@click.option("--index", type=click.Choice(["auto", "flat", "ivf", "graph"]), default="auto", show_default=True)
@click.option("--embedder", type=EmbedderName(), help="Embed texts by this model, e.g. cohere/embed-v4.0.")
@click.option("--title", help="What the library is about, for people.")
@connection_options
@json_option
def create(
    *, library: str, dimension: int | None, metric: Any, index: Any, embedder: dict[str, str] | None, title: str | None
) -> None:
    """Create a library."""
    if dimension is None and embedder is None:
        raise click.UsageError("Say how long the vectors are with --dimension, or name an --embedder.")
    with connected() as client:
        created = client.libraries.create(
            library,
            dimension=dimension,
            metric=metric,
            index={"kind": index},
            embedder=embedder,
            metadata=None if title is None else {"title": title},
        )
    if wants_json():
        print_json(created)
    else:
        click.echo(f"Created the library {created.id}: dimension {created.dimension}, metric {created.metric}.")


@libraries.command()
@click.argument("library", metavar="ID")
@click.option("--yes", is_flag=True, help="Do not ask.")
@connection_options
@json_option
def delete(library: str, yes: bool) -> None:
    """Delete a library and all it holds."""
    with connected() as client:
        found = client.libraries.get(library)
        if not yes:
            _confirm(found)
        client.libraries.delete(library)
    if wants_json():
        print_json({"deleted": library})
    else:
        click.echo(f"Deleted the library {library} with {found.chunk_count:,} chunks.")


def _confirm(library: Library) -> None:
    if not sys.stdin.isatty():
        raise click.UsageError("Deleting a library needs --yes where nobody can be asked.")
    click.confirm(
        f"Delete the library {library.id} with {library.chunk_count:,} chunks for good?", abort=True, err=True
    )


def _print_table(found: list[Library]) -> None:
    table = new_table()
    table.add_column("library", overflow="fold", ratio=1)
    for column in ("dimension", "metric", "documents", "chunks"):
        table.add_column(column, justify="left" if column == "metric" else "right", no_wrap=True)
    for library in found:
        name = Text(library.id, style="bold")
        if title := library.metadata.get("title"):
            name.append(f"\n{title}", style="not bold dim")
        table.add_row(
            name,
            str(library.dimension),
            library.metric,
            f"{library.document_count:,}",
            f"{library.chunk_count:,}",
        )
    console().print(table)
