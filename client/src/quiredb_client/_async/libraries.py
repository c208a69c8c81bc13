"""The libraries of a server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from .. import calls, decoding
from ..calls import Version
from ..inputs import IndexSettings, LibraryMetadata, Metric
from ..models import Library
from ..wire import given
from .pager import AsyncPager
from .session import AsyncSession


class AsyncLibraries:
    """Create, read, change, delete and list libraries."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def create(
        self,
        id: str | None = None,
        *,
        dimension: int | None = None,
        metric: Metric | None = None,
        index: IndexSettings | None = None,
        embedder: Mapping[str, Any] | None = None,
        metadata: LibraryMetadata | None = None,
    ) -> Library:
        """Create a library; without an id the server makes one.

        `dimension` may be left out when there is an `embedder`: it knows.

        Raises:
            PreconditionFailed: the id is taken.
        """
        body = given(dimension=dimension, metric=metric, index=index, embedder=embedder, metadata=metadata)
        if id is None:
            return await self._create_or_replace(calls.write("POST", "v1", "libraries", body=body))
        return await self._create_or_replace(calls.write("PUT", "v1", "libraries", id, body=body, if_none_match="*"))

    async def put(
        self,
        id: str,
        *,
        dimension: int | None = None,
        metric: Metric | None = None,
        index: IndexSettings | None = None,
        embedder: Mapping[str, Any] | None = None,
        metadata: LibraryMetadata | None = None,
        if_match: Version | None = None,
        if_none_match: Literal["*"] | None = None,
    ) -> Library:
        """Create a library, or replace the settings of the one there is.

        Raises:
            Conflict: the library exists with another dimension or metric.
            PreconditionFailed: `if_match` or `if_none_match` does not hold.
        """
        body = given(dimension=dimension, metric=metric, index=index, embedder=embedder, metadata=metadata)
        return await self._create_or_replace(
            calls.write("PUT", "v1", "libraries", id, body=body, if_match=if_match, if_none_match=if_none_match)
        )

    async def get(self, id: str) -> Library:
        """One library."""
        return decoding.library(await self._session.json(calls.read("GET", "v1", "libraries", id, library=id)))

    async def patch(
        self,
        id: str,
        *,
        index: IndexSettings | None = None,
        embedder: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
        if_match: Version | None = None,
    ) -> Library:
        """Change what is given; a member of `metadata` that is None is removed (JSON merge patch)."""
        call = calls.write(
            "PATCH",
            "v1",
            "libraries",
            id,
            library=id,
            body=given(index=index, embedder=embedder, metadata=metadata),
            if_match=if_match,
        )
        return decoding.library(await self._session.json(call))

    async def delete(self, id: str, *, if_match: Version | None = None) -> None:
        """Delete a library and all it holds."""
        await self._session.send(calls.write("DELETE", "v1", "libraries", id, if_match=if_match))
        self._session.positions.forget(id)

    def list(self, *, limit: int | None = None, page_size: int | None = None) -> AsyncPager[Library]:
        """All libraries."""
        return AsyncPager(
            self._session,
            lambda cursor: calls.read("GET", "v1", "libraries", parameters={"limit": page_size, "cursor": cursor}),
            decoding.library,
            limit,
        )

    async def _create_or_replace(self, call: calls.Call) -> Library:
        library = decoding.library(await self._session.json(call))
        self._session.positions.begin(library.id, library.position)
        return library
