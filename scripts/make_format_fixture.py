"""Make a fixture of a data format: a small folder as a killed server leaves it, and what is in it.

    git worktree add ../old COMMIT
    PYTHONPATH=../old/src:../old/client/src python scripts/make_format_fixture.py tests/fixtures/formats/N

Run it with the sources of the commit whose format it is, once, when the format is released. It uses only what every
version has: `quiredb.open`, the client, `quire key create`, and the state digest. Each file is compressed by itself.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import shutil
import sys
import tempfile
from contextlib import closing, redirect_stderr, redirect_stdout
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from quiredb_client import Client

import quiredb
from quiredb.cli.main import main
from quiredb.storage.folder import DataFolder
from quiredb.storage.library_store import LibraryStore

DIMENSION = 8
CHUNKS = 300
KINDS = ("flat", "graph", "ivf")
METRICS = ("l2", "cosine", "dot")
SHM = ".sqlite-shm"


def vector(number: int) -> list[float]:
    """A vector of its own for each number."""
    return [float(value) for value in np.random.default_rng(number).normal(size=DIMENSION).astype(np.float32)]


def fill(client: Client, name: Any, metric: Any) -> None:
    """A library with a segment of its kind, rows that died in it, rows behind it, and values of every kind."""
    client.libraries.create(name, dimension=DIMENSION, metric=metric, metadata={"title": f"Kept: {name} ü"})
    library = client.library(name)
    library.upsert_many(_documents())
    client.jobs.wait(library.index.configure(kind=name), timeout=300)
    library.delete_where({"page": 3})
    late: list[Any] = [{"id": "late", "text": "x", "embedding": vector(7)}]
    library.documents.put("late", metadata={"author": "B"}, chunks=late)
    library.documents.delete("document-1")


def _documents() -> list[dict[str, Any]]:
    documents = []
    for start in range(0, CHUNKS, 50):
        chunks = [
            {
                "id": f"chunk-{number}",
                "text": f"text {number} ä 漢字",
                "embedding": vector(number),
                "metadata": {
                    "page": number % 7,
                    "tags": ["a", f"t{number % 3}"],
                    "attributes": {"n": number / 3, "yes": number % 2 == 0, "words": ["x", "y"]},
                },
            }
            for number in range(start, start + 50)
        ]
        documents.append({"id": f"document-{start // 50}", "metadata": {"title": f"D{start}"}, "chunks": chunks})
    return documents


def described(client: Client, name: str) -> dict[str, Any]:
    """What is in a library, as any version must tell it."""
    library = client.library(name)
    exact = [library.search(vector=vector(10_000 + n), k=5, exact=True).hits for n in range(5)]
    some = {"tags": {"contains": "t1"}}
    filtered = [library.search(vector=vector(n), k=5, exact=True, filter=some) for n in range(5)]
    return {
        "chunks": library.count(),
        "contents": contents_digest(client, name),
        "nearest": [[hit.id for hit in hits] for hits in exact],
        "filtered": [[hit.id for hit in found.hits] for found in filtered],
    }


def contents_digest(client: Client, name: str) -> str:
    """Over ids, texts, embeddings and metadata of all documents and chunks, without Quire's own digest."""
    lines = []
    for document in client.library(name).export():
        chunks = document.get("chunks", [document])
        lines.append(json.dumps([document["id"], _said(document["metadata"])], sort_keys=True))
        lines += [json.dumps(_chunk(chunk), sort_keys=True) for chunk in chunks]
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def _chunk(chunk: Any) -> list[Any]:
    embedding = np.asarray(chunk["embedding"], "<f4").tobytes().hex()
    return [chunk["id"], chunk["document_id"], chunk["text"], embedding, _said(chunk["metadata"])]


def _said(metadata: Any) -> dict[str, Any]:
    """What later versions may add is null where it was not said."""
    return {name: value for name, value in metadata.items() if value not in (None, [], {})}


def digests(data: Path) -> dict[str, list[Any]]:
    """Position and state digest of each library."""
    found: dict[str, list[Any]] = {}
    with closing(DataFolder.open(data)) as folder:
        for name, key in folder.catalogue.entries().items():
            with closing(LibraryStore.open(folder.library_folder(key))) as store:
                position = store.library().position
                found[name] = [position, store.digest(position)]
    return found


def make(target: Path, scratch: Path) -> None:
    """Write the fixture."""
    data, killed = scratch / "data", scratch / "killed"
    with redirect_stdout(io.StringIO()) as printed, redirect_stderr(io.StringIO()):
        assert main(["key", "create", "--name", "fixture", "--data", str(data)]) == 0
    with quiredb.open(data) as client:
        for name, metric in zip(KINDS, METRICS, strict=True):
            fill(client, name, metric)
        client.libraries.create("gone", dimension=DIMENSION)
        client.libraries.delete("gone")
        answers = {name: described(client, name) for name in KINDS}
        shutil.copytree(data, killed, ignore=shutil.ignore_patterns(f"*{SHM}"))
    expected = {
        "format": json.loads((killed / "quire.json").read_text())["format"],
        "program": version("quiredb"),
        "key": printed.getvalue().strip(),
        "digests": digests(data),
        "libraries": answers,
    }
    target.mkdir(parents=True)
    (target / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
    for path in sorted(path for path in killed.rglob("*") if path.is_file()):
        packed = target / "data" / f"{path.relative_to(killed)}.gz"
        packed.parent.mkdir(parents=True, exist_ok=True)
        packed.write_bytes(gzip.compress(path.read_bytes(), mtime=0))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        make(Path(sys.argv[1]), Path(scratch))
