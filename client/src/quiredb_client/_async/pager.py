"""Lists of any length, fetched page by page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any, Generic, TypeVar

from ..calls import Call
from ..errors import UnexpectedAnswer
from ..models import Page
from .session import AsyncSession

Item = TypeVar("Item")


class AsyncPager(Generic[Item]):
    """Iterate it for the items, or its `pages()`; nothing is fetched before; each loop starts anew."""

    def __init__(
        self,
        session: AsyncSession,
        call_for: Callable[[str | None], Call],
        decode: Callable[[dict[str, Any]], Item],
        limit: int | None,
    ) -> None:
        self._session = session
        self._call_for = call_for
        self._decode = decode
        self._limit = limit

    async def pages(self) -> AsyncIterator[Page[Item]]:
        """The pages, the last one with `next_cursor` None or the limit reached."""
        cursor: str | None = None
        remaining = self._limit
        while remaining is None or remaining > 0:
            body = await self._session.json(self._call_for(cursor))
            items = tuple(self._decode(item) for item in body.get("items", [])[:remaining])
            page = Page(items, body.get("next_cursor"))
            yield page
            if page.next_cursor is None:
                return
            if page.next_cursor == cursor:
                raise UnexpectedAnswer("the server answers the same page again and again")
            cursor = page.next_cursor
            remaining = None if remaining is None else remaining - len(items)

    async def __aiter__(self) -> AsyncIterator[Item]:
        async for page in self.pages():
            for item in page.items:
                yield item

    async def to_list(self) -> list[Item]:
        """All items in memory."""
        return [item async for item in self]
