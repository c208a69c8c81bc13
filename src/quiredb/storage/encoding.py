"""Domain values as JSON bytes and back. Only fields that hold something are written; keys are sorted.

Instants are whole microseconds since 1970. Equal values have equal bytes, which the state digest relies on.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import orjson

from quiredb.domain.chunk import Chunk
from quiredb.domain.commands import Outcome, Receipt
from quiredb.domain.document import Document
from quiredb.domain.library import EmbedderSpec, IndexKind, IndexSpec, Library
from quiredb.domain.metadata import AttributeValue, ChunkMetadata, DocumentMetadata, LibraryMetadata
from quiredb.domain.metric import Metric
from quiredb.domain.times import from_microseconds, to_microseconds

Made = TypeVar("Made")

_EMPTY = b"{}"
_EMPTY_CHUNK_METADATA = ChunkMetadata()
_EMPTY_DOCUMENT_METADATA = DocumentMetadata()


def encode_chunk_metadata(metadata: ChunkMetadata) -> bytes:
    """The stored form of a chunk's metadata."""
    return _dump(
        {
            "name": metadata.name,
            "section": metadata.section,
            "page": metadata.page,
            "language": metadata.language,
            "tags": metadata.tags,
            "attributes": dict(metadata.attributes),
        }
    )


def decode_chunk_metadata(stored: bytes) -> ChunkMetadata:
    """The inverse of `encode_chunk_metadata`."""
    if stored == _EMPTY:
        return _EMPTY_CHUNK_METADATA
    return _metadata(ChunkMetadata, orjson.loads(stored))


def encode_document_metadata(metadata: DocumentMetadata) -> bytes:
    """The stored form of a document's metadata."""
    return _dump(
        {
            "title": metadata.title,
            "source": metadata.source,
            "author": metadata.author,
            "language": metadata.language,
            "published_at": None if metadata.published_at is None else to_microseconds(metadata.published_at),
            "tags": metadata.tags,
            "attributes": dict(metadata.attributes),
        }
    )


def decode_document_metadata(stored: bytes) -> DocumentMetadata:
    """The inverse of `encode_document_metadata`."""
    if stored == _EMPTY:
        return _EMPTY_DOCUMENT_METADATA
    fields = orjson.loads(stored)
    if "published_at" in fields:
        fields["published_at"] = from_microseconds(fields["published_at"])
    return _metadata(DocumentMetadata, fields)


def encode_library(library: Library) -> bytes:
    """The stored form of a library."""
    return orjson.dumps(_library_fields(library), option=orjson.OPT_SORT_KEYS)


def decode_library(stored: bytes) -> Library:
    """The inverse of `encode_library`."""
    return _library(orjson.loads(stored))


def encode_receipt(receipt: Receipt) -> bytes:
    """The stored form of an answer; embeddings are left out."""
    outcomes = [
        {"created": outcome.created, "removed": outcome.removed, **_resource_fields(outcome.resource)}
        for outcome in receipt.outcomes
    ]
    return orjson.dumps(
        {"position": receipt.position, "library": _library_fields(receipt.library), "outcomes": outcomes}
    )


def decode_receipt(stored: bytes) -> Receipt:
    """The first answer again, marked as replayed."""
    fields = orjson.loads(stored)
    outcomes = tuple(
        Outcome(created=outcome["created"], resource=_resource(outcome), removed=outcome["removed"])
        for outcome in fields["outcomes"]
    )
    return Receipt(fields["position"], _library(fields["library"]), outcomes, replayed=True)


def _dump(fields: Mapping[str, object]) -> bytes:
    """Only what holds something: an empty string and a zero do, an empty list and no attributes do not."""
    present = {name: value for name, value in fields.items() if value or value in ("", 0)}
    return orjson.dumps(present, option=orjson.OPT_SORT_KEYS) if present else _EMPTY


def _metadata(kind: Callable[..., Made], fields: dict[str, Any]) -> Made:
    if "tags" in fields:
        fields["tags"] = tuple(fields["tags"])
    if "attributes" in fields:
        fields["attributes"] = _attributes(fields["attributes"])
    return kind(**fields)


def _attributes(stored: dict[str, Any]) -> dict[str, AttributeValue]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in stored.items()}


def _library_fields(library: Library) -> dict[str, object]:
    embedder = library.embedder
    return {
        "id": library.id,
        "dimension": library.dimension,
        "metric": library.metric.value,
        "index": {"kind": library.index.kind.value, "parameters": dict(library.index.parameters)},
        "embedder": embedder and {name: getattr(embedder, name) for name in EmbedderSpec.__slots__},
        "metadata": {
            "title": library.metadata.title,
            "description": library.metadata.description,
            "tags": library.metadata.tags,
            "attributes": dict(library.metadata.attributes),
        },
        "document_count": library.document_count,
        "chunk_count": library.chunk_count,
        "position": library.position,
        "version": library.version,
        "created_at": to_microseconds(library.created_at),
        "updated_at": to_microseconds(library.updated_at),
    }


def _library(fields: dict[str, Any]) -> Library:
    return Library(
        **{
            **fields,
            "metric": Metric(fields["metric"]),
            "index": IndexSpec(IndexKind(fields["index"]["kind"]), fields["index"]["parameters"]),
            "embedder": fields["embedder"] and EmbedderSpec(**fields["embedder"]),
            "metadata": _metadata(LibraryMetadata, fields["metadata"]),
            "created_at": from_microseconds(fields["created_at"]),
            "updated_at": from_microseconds(fields["updated_at"]),
        }
    )


def _resource_fields(resource: Document | Chunk | None) -> dict[str, object]:
    if resource is None:
        return {}
    times = {
        "version": resource.version,
        "created_at": to_microseconds(resource.created_at),
        "updated_at": to_microseconds(resource.updated_at),
    }
    if isinstance(resource, Document):
        metadata = orjson.Fragment(encode_document_metadata(resource.metadata))
        return {"document": {"id": resource.id, "metadata": metadata, "chunk_count": resource.chunk_count, **times}}
    return {
        "chunk": {
            "id": resource.id,
            "document_id": resource.document_id,
            "position": resource.position,
            "text": resource.text,
            "metadata": orjson.Fragment(encode_chunk_metadata(resource.metadata)),
            **times,
        }
    }


def _resource(fields: dict[str, Any]) -> Document | Chunk | None:
    if "document" in fields:
        return Document(**_decoded(fields["document"], decode_document_metadata))
    if "chunk" in fields:
        return Chunk(**_decoded(fields["chunk"], decode_chunk_metadata))
    return None


def _decoded(fields: dict[str, Any], decode: Any) -> dict[str, Any]:
    return {
        **fields,
        "metadata": decode(orjson.dumps(fields["metadata"])),
        "created_at": from_microseconds(fields["created_at"]),
        "updated_at": from_microseconds(fields["updated_at"]),
    }
