"""Quire: libraries of documents, documents of chunks, chunks with embeddings, found by meaning.

`quiredb.open(path)` opens a data folder in this process and gives the same client as a server would.
`quiredb.VectorIndex` searches arrays, without libraries and files.
"""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from quiredb_client import Client

    from quiredb.indexes.vector_index import VectorIndex

__all__ = ["VectorIndex", "open"]


def open(path: str | Path) -> "Client":  # noqa: A001  # reads as quiredb.open(path)
    """A client of the data folder at `path` (made when absent), in this process: no server, no socket.

    Close the client, or use it in a `with` statement. Raises `StorageFailed` when the folder is in
    use or cannot be read.
    """
    app = import_module("quiredb.app")  # the engine is heavy; `import quiredb` alone stays light
    client: Client = app.open_client(path)
    return client


def __getattr__(name: str) -> Any:
    """Import what is heavy when it is first asked for."""
    if name != "VectorIndex":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = import_module("quiredb.indexes.vector_index").VectorIndex
    globals()[name] = found
    return found
