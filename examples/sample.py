"""What the examples share: where to connect, and the sample library with its ready query vectors."""

import json
import os
from contextlib import suppress
from pathlib import Path

from quiredb_client import Client, NotFound, SearchResult

import quiredb

SAMPLES = Path(__file__).resolve().parent.parent / "samples"
LIBRARY = "docs"


def connect() -> Client:
    """A client of the server at QUIRE_URL, or of a data folder opened in this process when that is not set."""
    if os.environ.get("QUIRE_URL"):
        return Client()
    return quiredb.open(os.environ.get("QUIRE_DATA", "quire-examples"))


def sample_library(client: Client) -> None:
    """Make the sample library, unless it is there."""
    try:
        client.libraries.get(LIBRARY)
    except NotFound:
        client.libraries.create(LIBRARY, dimension=384, metric="cosine")
        report = client.library(LIBRARY).import_(SAMPLES / "docs.ndjson.gz")
        print(f"Imported the sample library: {report.documents:,} documents, {report.chunks:,} chunks.\n")


def delete_if_there(client: Client, library: str) -> None:
    """So that an example can be run again."""
    with suppress(NotFound):
        client.libraries.delete(library)


def sample_queries() -> dict[int, dict]:
    """Ready queries by their id: `text`, `vector`, and `top10`, the ids of the true nearest."""
    queries = json.loads((SAMPLES / "queries.json").read_text(encoding="utf-8"))["queries"]
    return {query["id"]: query for query in queries}


def show(question: str, result: SearchResult) -> None:
    """Print a question and the hits."""
    print(f"? {question}")
    for rank, hit in enumerate(result, start=1):
        title = hit.document.metadata.get("title", "") if hit.document else ""
        print(f"  {rank}. {hit.score:.3f}  {hit.id}  {title}")
        print(f"            {' '.join((hit.text or '').split())[:90]}")
    print()
