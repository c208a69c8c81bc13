"""`quire search`: the nearest chunks of a library."""

from typing import Any

import click
from quiredb_client import Hit, SearchResult
from rich.text import Text

from quiredb.cli.arguments import JsonObject, Vector, VectorFile
from quiredb.cli.connection import connected, connection_options
from quiredb.cli.output import console, json_option, new_table, print_json, wants_json

_EXCERPT_CHARACTERS = 200


@click.command()
@click.argument("library")
@click.option("--text", help="Search for what this text means; the library needs an embedder.")
@click.option("--vector", type=Vector(), help="Search for this vector: JSON.")
@click.option("--vector-file", type=VectorFile(), help="Search for the vector in this file: JSON.")
@click.option("-k", "k", type=click.IntRange(1, 1000), default=10, show_default=True, help="How many chunks to find.")
@click.option(
    "--filter",
    "condition",
    type=JsonObject(),
    help="""Only chunks that match, e.g. '{"tags": {"contains": "news"}}'.""",
)
@click.option("--recall", type=click.FloatRange(0, 1, min_open=True), help="Share of the true best hits to aim for.")
@click.option("--exact", is_flag=True, help="Find all of the true best hits.")
@click.option("--explain", is_flag=True, help="Say how the search was carried out.")
@connection_options
@json_option
def search(
    *,
    library: str,
    text: str | None,
    vector: Any,
    vector_file: Any,
    k: int,
    condition: dict[str, Any] | None,
    recall: float | None,
    exact: bool,
    explain: bool,
) -> None:
    """Find the chunks of LIBRARY nearest to a text or a vector."""
    if sum(given is not None for given in (text, vector, vector_file)) != 1:
        raise click.UsageError("Give one of --text, --vector and --vector-file.")
    if exact and recall is not None:
        raise click.UsageError("Give --recall or --exact, not both.")
    with connected() as client:
        result = client.library(library).search(
            text=text,
            vector=vector if vector is not None else vector_file,
            k=k,
            filter=condition,
            recall=recall,
            exact=exact or None,
            include=["text", "metadata", "document"],
            explain=explain or None,
        )
    if wants_json():
        print_json(result)
    else:
        _print_table(result)


def _print_table(result: SearchResult) -> None:
    if not result.hits:
        click.echo("No chunk matches.")
        return
    table = new_table()
    table.add_column("score", justify="right", no_wrap=True)
    table.add_column("chunk", overflow="fold", ratio=1)
    for hit in result:
        table.add_row(f"{hit.score:.4f}", _description(hit))
    console().print(table)
    took = "" if result.took_ms is None else f" in {result.took_ms:.1f} ms"
    click.echo(f"{len(result)} hits{took}", err=True)
    if result.plan is not None:
        click.echo(f"plan: {', '.join(f'{name} {value}' for name, value in result.plan.items())}")


def _description(hit: Hit) -> Text:
    """The chunk's id, its document's title and its first words."""
    description = Text(hit.id, style="cyan")
    title = "" if hit.document is None else hit.document.metadata.get("title", "")
    if title:
        description.append(f"  {title}", style="bold default")
    words = " ".join((hit.text or "").split())
    shortened = words if len(words) <= _EXCERPT_CHARACTERS else f"{words[: _EXCERPT_CHARACTERS - 3]}..."
    return description.append(f"\n{shortened}", style="not bold default")
