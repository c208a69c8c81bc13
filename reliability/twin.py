"""A library as a dict: immutable, so that the twin of an old view is simply kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class TwinChunk:
    """What a chunk holds; `document` and `place` are the twin's."""

    text: str
    vector: tuple[int, ...]
    page: int
    document: str = ""
    place: int = 0


@dataclass(frozen=True, slots=True)
class Twin:
    """Titles of documents and chunks, each by id. Writes answer the twin after them, or None where they are refused."""

    documents: Mapping[str, str] = field(default_factory=dict)
    chunks: Mapping[str, TwinChunk] = field(default_factory=dict)

    def in_order(self, document: str) -> list[tuple[str, TwinChunk]]:
        """The chunks of a document by place, then id."""
        mine = [(name, chunk) for name, chunk in self.chunks.items() if chunk.document == document]
        return sorted(mine, key=lambda one: (one[1].place, one[0]))

    def document_of(self, name: str) -> str | None:
        """The document of a chunk."""
        return self.chunks[name].document if name in self.chunks else None

    def put_document(self, name: str, title: str, new: Mapping[str, TwinChunk] | None) -> Twin | None:
        """Create or replace a document, and with `new` all its chunks."""
        documents = {**self.documents, name: title}
        if new is None:
            return Twin(documents, self.chunks)
        if any(self.document_of(one) not in {None, name} for one in new):
            return None
        kept = {one: chunk for one, chunk in self.chunks.items() if chunk.document != name}
        placed = {one: replace(chunk, document=name, place=place) for place, (one, chunk) in enumerate(new.items())}
        return Twin(documents, {**kept, **placed})

    def delete_document(self, name: str) -> Twin | None:
        """Remove a document with its chunks."""
        if name not in self.documents:
            return None
        documents = {one: title for one, title in self.documents.items() if one != name}
        return Twin(documents, {one: chunk for one, chunk in self.chunks.items() if chunk.document != name})

    def put_chunk(self, document: str, name: str, chunk: TwinChunk) -> Twin | None:
        """Add a chunk at the end of its document, or replace it where it is."""
        if document not in self.documents or self.document_of(name) not in {None, document}:
            return None
        places = [one.place for _, one in self.in_order(document)]
        place = self.chunks[name].place if name in self.chunks else max(places, default=-1) + 1
        return Twin(self.documents, {**self.chunks, name: replace(chunk, document=document, place=place)})

    def patch_chunk(self, name: str, page: int) -> Twin | None:
        """Give a chunk another page."""
        if name not in self.chunks:
            return None
        return Twin(self.documents, {**self.chunks, name: replace(self.chunks[name], page=page)})

    def delete_chunks(self, names: Iterable[str]) -> Twin:
        """Remove those of the chunks that are there."""
        gone = set(names)
        return Twin(self.documents, {name: chunk for name, chunk in self.chunks.items() if name not in gone})

    def nearest(self, query: tuple[int, ...], filter_: Any) -> list[tuple[float, str]]:
        """(Squared distance, id) of all chunks that match, the nearest first, ties by id."""
        matching = [(name, chunk) for name, chunk in self.chunks.items() if _matches(chunk, filter_)]
        return sorted(
            (float(sum((one - other) ** 2 for one, other in zip(query, chunk.vector, strict=True))), name)
            for name, chunk in matching
        )


def _matches(chunk: TwinChunk, filter_: Any) -> bool:
    match filter_:
        case None:
            return True
        case {"page": {"lt": bound}}:
            return bool(chunk.page < bound)
        case {"page": {"ne": other}}:
            return bool(chunk.page != other)
        case {"page": page}:
            return bool(chunk.page == page)
        case {"text": {"contains": word}}:
            return word in chunk.text
        case {"document_id": document}:
            return bool(chunk.document == document)
        case _:
            raise AssertionError(filter_)
