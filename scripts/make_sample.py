"""Cuts samples/docs.ndjson.gz, samples/queries.json and samples/search.json out of the data set minilm-100k.

    python scripts/make_sample.py DATA_FOLDER [TARGET_FOLDER]

DATA_FOLDER holds vectors.npz (`base` and `query`, float16 rows of 384), texts.jsonl.gz and queries.jsonl.gz (one row
each: id, source, file, text). The same data gives the same bytes. Which documents are taken: the favourites named
below, then those that own a near neighbour of one of the thirty queries, until there are enough.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

MODEL = "all-MiniLM-L6-v2"
NEIGHBOURS = 40  # a document may be taken when it owns one of this many nearest passages of a query
LARGEST_DOCUMENT = 75  # passages; larger ones are reference pages that would crowd out the rest
MOST_CHUNKS = 3_000
SHOWN_QUERY = 1145  # the one a person sees first, ready to be posted

QUERY_ROWS = (
    *(236, 432, 794, 1123, 1145, 1185, 1482, 1623, 1784, 1815),  # command lines
    *(6, 128, 517, 814, 1362, 1580),  # Python
    *(467, 532, 1440, 1737, 1760),  # Rust
    *(568, 603, 1074, 1346, 1743),  # PowerShell
    *(33, 94, 1219, 1719),  # C++
)

FAVOURITES = re.compile(
    r"pages/common/(tar|git-[a-z]+|curl|docker-[a-z]+|ssh|find|grep|make|pip|python|cargo|rsync|jq|awk)\.md"
    r"|pages/linux/(systemctl|apt|ip|ps|journalctl|sed|useradd)\.md"
    r"|peps/pep-(0001|0008|0020|0257|0405|0412|0420|0443|0448|0492|0498|0525|0557|0572|0585|0589|0604|0612|0618"
    r"|0636|0654|0657|0659|0684|0695|0701|0703|0709|0745|0779)\.rst"
    r"|src/ch\d\d-\d\d-[a-z0-9-]+\.md|nostarch/chapter(04|05|06|08|09|11|13)\.md"
)


@dataclass(frozen=True, slots=True)
class Source:
    """Where passages come from, and on what terms they are passed on."""

    name: str
    prefix: str
    licence: str
    author: str
    files: re.Pattern[str]


SOURCES = {
    source.name: source
    for source in (
        Source("cpp-docs", "cpp", "CC BY 4.0", "Microsoft", re.compile(r"docs/")),
        Source("peps", "pep", "Public domain or CC0 1.0", "The PEP authors", re.compile(r"peps/pep-\d+\.rst")),
        Source("powershell-docs", "powershell", "CC BY 4.0", "Microsoft", re.compile(r"reference/")),
        Source("rust-book", "rust", "MIT OR Apache-2.0", "The Rust project", re.compile(r"(src|nostarch)/ch")),
        Source("tldr", "tldr", "CC BY 4.0", "The tldr-pages contributors", re.compile(r"pages/")),
    )
}

Row = dict[str, Any]


def read_rows(path: Path) -> list[Row]:
    """One JSON object a line, gzip-compressed."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def passable(row: Row) -> bool:
    """Whether the row has a text that may be passed on and belongs to a page of its source."""
    source = SOURCES.get(row["source"])
    return source is not None and bool(row["text"]) and source.files.match(row["file"]) is not None


def document_id(row: Row) -> str:
    """`tldr:common.tar` from `pages/common/tar.md`: only characters an id may hold."""
    path = Path(row["file"]).with_suffix("")
    cleaned = re.sub(r"[^A-Za-z0-9._~-]+", "-", ".".join(path.parts[1:])).removeprefix("pep-")
    return f"{SOURCES[row['source']].prefix}:{cleaned}"


def title(row: Row) -> str:
    """A readable name made from the file name alone."""
    stem = Path(row["file"]).stem
    if row["source"] == "peps":
        return f"PEP {int(stem.removeprefix('pep-'))}"
    if row["source"] == "rust-book":
        named = re.fullmatch(r"ch(\d\d)-\d\d-(.+)", stem)
        return named[2].replace("-", " ").capitalize() if named else stem.replace("chapter", "Chapter ")
    if row["source"] == "cpp-docs":
        return stem.replace("-", " ")
    return stem


def document_tags(row: Row) -> list[str]:
    """The source, and for pages kept in a folder by subject the folder."""
    folders = Path(row["file"]).parts[1:-1]
    return [SOURCES[row["source"]].prefix, *(folder.lower() for folder in folders[:1])]


def kind(text: str, source: str) -> str:
    """What a passage visibly is."""
    if source == "tldr":
        return "summary" if "More information:" in text else "example"
    if text.startswith(("SYNOPSIS", "Example ")):
        return text.split(maxsplit=1)[0].lower()
    return "code" if re.search(r"[{;]\s|def |::", text) else "prose"


def chosen_documents(rows: list[Row], base: NDArray[np.float32], queries: NDArray[np.float32]) -> list[list[int]]:
    """Row numbers of each chosen document: favourites, then documents near a query, until there are enough."""
    documents: dict[str, list[int]] = {}
    for number, row in enumerate(rows):
        if passable(row):
            documents.setdefault(document_id(row), []).append(number)
    wanted = {name: None for name, numbers in documents.items() if FAVOURITES.fullmatch(rows[numbers[0]]["file"])}
    allowed = np.array([passable(row) for row in rows])
    similarity = np.where(allowed, queries @ base.T, -np.inf)
    nearest = np.argsort(-similarity, axis=1, kind="stable")[:, :NEIGHBOURS]
    for number in nearest.T.ravel().tolist():
        wanted.setdefault(document_id(rows[number]))
    chosen: dict[str, list[int]] = {}
    total = 0
    for name in wanted:
        size = len(documents[name])
        if size <= LARGEST_DOCUMENT and total + size <= MOST_CHUNKS:
            chosen[name] = documents[name]
            total += size
    return [chosen[name] for name in sorted(chosen)]


def embedding(vector: NDArray[np.float16]) -> dict[str, str]:
    """A vector as the API takes it: little-endian float16 in base 64."""
    return {"b64": base64.b64encode(vector.astype("<f2").tobytes()).decode(), "dtype": "f16"}


def document(rows: list[Row], numbers: list[int], base: NDArray[np.float16]) -> dict[str, Any]:
    """One line of the import format: a document with its chunks."""
    first = rows[numbers[0]]
    source, name = SOURCES[first["source"]], document_id(first)
    chunks = [
        {
            "id": f"{name}:{position:03d}",
            "text": rows[number]["text"],
            "embedding": embedding(base[number]),
            "metadata": {
                "name": f"{title(first)}, passage {position + 1}",
                "language": "en",
                "tags": [source.prefix, kind(rows[number]["text"], source.name)],
                "attributes": {"words": len(rows[number]["text"].split()), "source_row": rows[number]["id"]},
            },
        }
        for position, number in enumerate(numbers)
    ]
    metadata = {
        "title": title(first),
        "source": source.name,
        "author": source.author,
        "language": "en",
        "tags": document_tags(first),
        "attributes": {"licence": source.licence, "file": first["file"]},
    }
    return {"id": name, "metadata": metadata, "chunks": chunks}


def ready_queries(
    rows: list[Row], vectors: NDArray[np.float16], documents: list[dict[str, Any]], base: NDArray[np.float16]
) -> Iterator[dict[str, Any]]:
    """Each query with the ten chunks nearest to it, exact in float64, ties by chunk id."""
    ids = np.array([chunk["id"] for document in documents for chunk in document["chunks"]])
    points = unit(base.astype(np.float64))
    for row, vector in zip(rows, vectors, strict=True):
        distances = 1.0 - points @ unit(vector.astype(np.float64)[None])[0]
        nearest = np.lexsort((ids, distances))[:10]
        yield {
            "id": row["id"],
            "source": row["source"].removeprefix("heldout-"),
            "text": row["text"],
            "vector": embedding(vector),
            "top10": ids[nearest].tolist(),
            "distances": [round(float(distance), 6) for distance in distances[nearest]],
        }


def unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows scaled to length one."""
    scaled: NDArray[np.float64] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return scaled


def write_library(path: Path, documents: Iterable[dict[str, Any]]) -> None:
    """NDJSON, compressed without a time stamp."""
    lines = "".join(json.dumps(document, ensure_ascii=False, separators=(",", ":")) + "\n" for document in documents)
    path.write_bytes(gzip.compress(lines.encode(), compresslevel=9, mtime=0))


def write_queries(path: Path, queries: Iterable[dict[str, Any]]) -> None:
    """One JSON object: what the vectors are, and the queries one a line."""
    head = {"library": "docs", "model": MODEL, "dimension": 384, "metric": "cosine"}
    lines = ",\n  ".join(json.dumps(query, ensure_ascii=False) for query in queries)
    path.write_text(json.dumps(head)[:-1] + ', "queries": [\n  ' + lines + "\n]}\n", encoding="utf-8")


def write_search(path: Path, queries: Iterable[dict[str, Any]]) -> None:
    """The body of a search request, for curl."""
    shown = next(query for query in queries if query["id"] == SHOWN_QUERY)
    body = {"vector": shown["vector"], "k": 3, "include": ["text", "document"]}
    path.write_text(json.dumps(body) + "\n", encoding="utf-8")


def main() -> None:
    """Reads the data folder named first, writes into the folder named second (default: samples)."""
    data = Path(sys.argv[1])
    target = Path(sys.argv[2] if len(sys.argv) > 2 else "samples")
    rows, query_rows = read_rows(data / "texts.jsonl.gz"), read_rows(data / "queries.jsonl.gz")
    with np.load(data / "vectors.npz") as vectors:
        base, queries = vectors["base"], vectors["query"][list(QUERY_ROWS)]
    chosen = chosen_documents(rows, base.astype(np.float32), queries.astype(np.float32))
    documents = [document(rows, numbers, base) for numbers in chosen]
    kept = base[[number for numbers in chosen for number in numbers]]
    ready = list(ready_queries([query_rows[number] for number in QUERY_ROWS], queries, documents, kept))
    write_library(target / "docs.ndjson.gz", documents)
    write_queries(target / "queries.json", ready)
    write_search(target / "search.json", ready)
    print(f"{len(documents)} documents, {len(kept)} chunks, {len(ready)} queries")


if __name__ == "__main__":
    main()
