"""What one client of the kill rig has written: documents with chunks, as plain values that can be compared."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

DIMENSION = 8


@dataclass(frozen=True, slots=True)
class Chunk:
    """All that a client says of a chunk; `vector` is little-endian float32, compared byte by byte."""

    text: str
    vector: bytes
    page: int
    tags: tuple[str, ...]

    def as_body(self, **more: Any) -> dict[str, Any]:
        """As a request has it."""
        return {
            "text": self.text,
            "embedding": {"b64": b64encode(self.vector).decode(), "dtype": "f32"},
            "metadata": {"page": self.page, "tags": list(self.tags)},
            **more,
        }

    @classmethod
    def of(cls, line: Mapping[str, Any]) -> Chunk:
        """As an export has it."""
        metadata = line["metadata"]
        vector = b64decode(line["embedding"]["b64"])
        return cls(line["text"], vector, metadata.get("page", -1), tuple(metadata.get("tags", ())))

    @property
    def floats(self) -> np.ndarray[Any, np.dtype[np.float32]]:
        """The embedding as numbers."""
        return np.frombuffer(self.vector, "<f4")


@dataclass(frozen=True, slots=True)
class Document:
    """A document of `source`, the client that writes it; its chunks by id in their order."""

    title: str
    source: str
    chunks: Mapping[str, Chunk] = field(default_factory=dict)

    def with_chunk(self, chunk_id: str, chunk: Chunk) -> Document:
        """With a chunk added at the end, or replaced where it is."""
        return replace(self, chunks={**self.chunks, chunk_id: chunk})

    def without(self, chunk_ids: Iterable[str]) -> Document:
        """Without these chunks."""
        gone = set(chunk_ids)
        return replace(self, chunks={name: chunk for name, chunk in self.chunks.items() if name not in gone})

    def as_body(self, **more: Any) -> dict[str, Any]:
        """As a request has it, with its chunks."""
        chunks = [chunk.as_body(id=name) for name, chunk in self.chunks.items()]
        return {"metadata": {"title": self.title, "source": self.source}, "chunks": chunks, **more}

    def same_as(self, other: Document) -> bool:
        """Equal, the order of the chunks included."""
        return self == other and list(self.chunks) == list(other.chunks)


Shelf = Mapping[str, Document]
"""Documents by id."""


def read_shelf(lines: Iterable[Mapping[str, Any]]) -> tuple[dict[str, Document], list[str]]:
    """An export as documents, and what is wrong with it by itself: an id twice, a chunk of no document."""
    shelf: dict[str, Document] = {}
    wrong: list[str] = []
    seen: set[str] = set()
    for line in lines:
        if "chunks" in line:
            wrong += [f"the document {line['id']} is there twice"] if line["id"] in shelf else []
            metadata = line["metadata"]
            shelf[line["id"]] = Document(metadata.get("title", ""), metadata.get("source", ""))
        document_id = line["id"] if "chunks" in line else line["document_id"]
        chunks = line.get("chunks", [line])
        wrong += [f"the chunk {chunk['id']} is there twice" for chunk in chunks if chunk["id"] in seen]
        seen |= {chunk["id"] for chunk in chunks}
        before = shelf[document_id]
        shelf[document_id] = replace(
            before, chunks={**before.chunks, **{chunk["id"]: Chunk.of(chunk) for chunk in chunks}}
        )
    return shelf, wrong


def same(one: Shelf, other: Shelf) -> bool:
    """Whether two shelves hold the same."""
    return one.keys() == other.keys() and all(one[name].same_as(other[name]) for name in one)


def difference(expected: Shelf, found: Shelf) -> str:
    """The first few differences, for people."""
    lines = [f"document {name} is missing" for name in expected if name not in found]
    lines += [f"document {name} should not be there" for name in found if name not in expected]
    for name in expected.keys() & found.keys():
        mine, theirs = expected[name].chunks, found[name].chunks
        lines += [f"chunk {name}/{one} is missing" for one in mine if one not in theirs]
        lines += [f"chunk {name}/{one} should not be there" for one in theirs if one not in mine]
        lines += [f"chunk {name}/{one} differs" for one in mine.keys() & theirs.keys() if mine[one] != theirs[one]]
        if not lines and not expected[name].same_as(found[name]):
            lines.append(f"document {name} has other facts or another order")
    return "; ".join(lines[:4]) + (f"; and {len(lines) - 4} more" if len(lines) > 4 else "")
