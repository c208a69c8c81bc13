"""Chunks, of one document in order and of a library by id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from .. import calls, decoding
from ..calls import Version
from ..inputs import ChunkMetadata, Include, Vector
from ..models import BatchReport, Chunk
from ..wire import chunk_body, given, operation_body, with_vector_encoding
from .pager import AsyncPager
from .session import AsyncSession


class AsyncDocumentChunks:
    """Create, read, change, delete and list the chunks of one document."""

    def __init__(self, session: AsyncSession, library: str, document: str) -> None:
        self._session = session
        self._library = library
        self._path = ("v1", "libraries", library, "documents", document, "chunks")

    async def create(
        self,
        id: str | None = None,
        *,
        text: str,
        embedding: Vector | None = None,
        metadata: ChunkMetadata | None = None,
        position: int | None = None,
    ) -> Chunk:
        """Add a chunk, at the end or at `position`; without an id the server makes one.

        Raises:
            PreconditionFailed: the id is taken.
        """
        if id is not None:
            return await self.put(
                id, text=text, embedding=embedding, metadata=metadata, position=position, if_none_match="*"
            )
        body = chunk_body(given(text=text, embedding=embedding, metadata=metadata, position=position))
        return await self._answer(calls.write("POST", *self._path, library=self._library, body=body))

    async def put(
        self,
        id: str,
        *,
        text: str,
        embedding: Vector | None = None,
        metadata: ChunkMetadata | None = None,
        position: int | None = None,
        if_match: Version | None = None,
        if_none_match: Literal["*"] | None = None,
    ) -> Chunk:
        """Create or replace a chunk.

        Raises:
            PreconditionFailed: `if_match` or `if_none_match` does not hold.
        """
        call = calls.write(
            "PUT",
            *self._path,
            id,
            library=self._library,
            body=chunk_body(given(text=text, embedding=embedding, metadata=metadata, position=position)),
            if_match=if_match,
            if_none_match=if_none_match,
        )
        return await self._answer(call)

    async def get(self, id: str, *, include: Include = ()) -> Chunk:
        """One chunk; with `include=["embedding"]` its embedding too."""
        parameters = _included(include)
        return await self._answer(calls.read("GET", *self._path, id, library=self._library, parameters=parameters))

    async def patch(
        self,
        id: str,
        *,
        text: str | None = None,
        embedding: Vector | None = None,
        metadata: Mapping[str, Any] | None = None,
        position: int | None = None,
        if_match: Version | None = None,
    ) -> Chunk:
        """Change what is given; a member of `metadata` that is None is removed (JSON merge patch)."""
        body = chunk_body(given(text=text, embedding=embedding, metadata=metadata, position=position))
        call = calls.write("PATCH", *self._path, id, library=self._library, body=body, if_match=if_match)
        return await self._answer(call)

    async def delete(self, id: str, *, if_match: Version | None = None) -> None:
        """Delete a chunk."""
        await self._session.send(calls.write("DELETE", *self._path, id, library=self._library, if_match=if_match))

    def list(
        self, *, include: Include = (), limit: int | None = None, page_size: int | None = None
    ) -> AsyncPager[Chunk]:
        """The chunks in order."""
        return AsyncPager(
            self._session,
            lambda cursor: calls.read(
                "GET",
                *self._path,
                library=self._library,
                parameters={**_included(include), "limit": page_size, "cursor": cursor},
            ),
            decoding.chunk,
            limit,
        )

    async def _answer(self, call: calls.Call) -> Chunk:
        return decoding.chunk(await self._session.json(call))


class AsyncLibraryChunks:
    """Chunks of a library by id alone: chunk ids are unique in a library."""

    def __init__(self, session: AsyncSession, library: str) -> None:
        self._session = session
        self._library = library
        self._path = ("v1", "libraries", library, "chunks")

    async def get(self, id: str, *, include: Include = ()) -> Chunk:
        """One chunk; with `include=["embedding"]` its embedding too."""
        call = calls.read("GET", *self._path, id, library=self._library, parameters=_included(include))
        return decoding.chunk(await self._session.json(call))

    async def batch(self, operations: Sequence[Mapping[str, Any]]) -> BatchReport:
        """Put and delete chunks, all or nothing.

        At most 1,000 operations, each `{"put": chunk}` or `{"delete": {"id": ...}}`.

        Raises:
            ValidationFailed: an operation is not valid; none was done.
        """
        body = {"operations": [operation_body(operation) for operation in operations]}
        call = calls.write("POST", *self._path, "batch", library=self._library, body=body)
        return decoding.batch_report(await self._session.json(call))


def _included(include: Include) -> dict[str, str | Sequence[str]]:
    return dict(with_vector_encoding({"include": include})) if include else {}
