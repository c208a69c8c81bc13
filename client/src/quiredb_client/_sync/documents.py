# Generated from _async by client/scripts/unasync.py; change the source and run it again.
"""Documents of a library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from .. import calls, decoding
from ..calls import Version
from ..inputs import ChunkInput, DocumentMetadata
from ..models import Document
from ..wire import document_body, given
from .chunks import DocumentChunks
from .pager import Pager
from .session import Session


class Documents:
    """Create, read, change, delete and list the documents of one library."""

    def __init__(self, session: Session, library: str) -> None:
        self._session = session
        self._library = library
        self._path = ("v1", "libraries", library, "documents")

    def create(
        self,
        id: str | None = None,
        *,
        metadata: DocumentMetadata | None = None,
        chunks: Sequence[ChunkInput] | None = None,
    ) -> Document:
        """Create a document with its chunks in one commit; without an id the server makes one.

        Raises:
            PreconditionFailed: the id is taken.
        """
        if id is not None:
            return self.put(id, metadata=metadata, chunks=chunks, if_none_match="*")
        body = document_body(given(metadata=metadata, chunks=chunks))
        return self._answer(calls.write("POST", *self._path, library=self._library, body=body))

    def put(
        self,
        id: str,
        *,
        metadata: DocumentMetadata | None = None,
        chunks: Sequence[ChunkInput] | None = None,
        if_match: Version | None = None,
        if_none_match: Literal["*"] | None = None,
    ) -> Document:
        """Create or replace a document; with `chunks`, all its chunks too, in one commit.

        Raises:
            PreconditionFailed: `if_match` or `if_none_match` does not hold.
        """
        call = calls.write(
            "PUT",
            *self._path,
            id,
            library=self._library,
            body=document_body(given(metadata=metadata, chunks=chunks)),
            if_match=if_match,
            if_none_match=if_none_match,
        )
        return self._answer(call)

    def get(self, id: str) -> Document:
        """One document, without its chunks."""
        return self._answer(calls.read("GET", *self._path, id, library=self._library))

    def patch(self, id: str, *, metadata: Mapping[str, Any], if_match: Version | None = None) -> Document:
        """Change what is given of the metadata; a member that is None is removed (JSON merge patch)."""
        call = calls.write(
            "PATCH", *self._path, id, library=self._library, body={"metadata": metadata}, if_match=if_match
        )
        return self._answer(call)

    def delete(self, id: str, *, if_match: Version | None = None) -> None:
        """Delete a document and its chunks."""
        self._session.send(calls.write("DELETE", *self._path, id, library=self._library, if_match=if_match))

    def list(self, *, limit: int | None = None, page_size: int | None = None) -> Pager[Document]:
        """All documents."""
        return Pager(
            self._session,
            lambda cursor: calls.read(
                "GET", *self._path, library=self._library, parameters={"limit": page_size, "cursor": cursor}
            ),
            decoding.document,
            limit,
        )

    def _answer(self, call: calls.Call) -> Document:
        return decoding.document(self._session.json(call))


class DocumentHandle:
    """One document by name; nothing is fetched until a method is called."""

    def __init__(self, session: Session, library: str, document: str) -> None:
        self.id = document
        self.chunks = DocumentChunks(session, library, document)
