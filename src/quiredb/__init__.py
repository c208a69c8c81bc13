"""Quire: libraries of documents, documents of chunks, chunks with embeddings, found by meaning.

`quiredb.open(path)` opens a data folder in this process and gives the same client as a server would.
"""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quiredb_client import Client

__all__ = ["open"]


def open(path: str | Path) -> "Client":  # noqa: A001  # reads as quiredb.open(path)
    """A client of the data folder at `path` (made when absent), in this process: no server, no socket.

    Close the client, or use it in a `with` statement. Raises `StorageFailed` when the folder is in
    use or cannot be read.
    """
    app = import_module("quiredb.app")  # the engine is heavy; `import quiredb` alone stays light
    client: Client = app.open_client(path)
    return client
