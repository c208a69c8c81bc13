"""An export as bytes: NDJSON that an import takes unchanged."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

import orjson

from quiredb.api.schemas.chunks import chunk_answer
from quiredb.api.schemas.documents import document_answer
from quiredb.domain.chunk import Chunk
from quiredb.domain.document import Document

_CHUNKS_PER_LINE = 500
_BLOCK_BYTES = 256 * 1024


def export_blocks(documents: Iterator[tuple[Document, Iterator[Chunk]]]) -> Iterator[bytes]:
    """The lines, joined into blocks that are worth sending."""
    block: list[bytes] = []
    size = 0
    for line in _lines(documents):
        block.append(line)
        size += len(line)
        if size >= _BLOCK_BYTES:
            yield b"".join(block)
            block, size = [], 0
    if block:
        yield b"".join(block)


def _lines(documents: Iterator[tuple[Document, Iterator[Chunk]]]) -> Iterator[bytes]:
    """A line for each document with its first chunks; the chunks of a long document go on as lines of their own."""
    for document, chunks in documents:
        first = [_encoded(chunk) for chunk in islice(chunks, _CHUNKS_PER_LINE)]
        yield _line({**document_answer(document), "chunks": first})
        for chunk in chunks:
            yield _line(_encoded(chunk))


def _encoded(chunk: Chunk) -> Any:
    return chunk_answer(chunk, b64=True)


def _line(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE)
